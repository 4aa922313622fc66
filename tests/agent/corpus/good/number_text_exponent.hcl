# Text with an exponent.
config {
  image = "i"
  pids_limit = "1e3"
}
