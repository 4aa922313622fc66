# A whole number with an exponent.
config {
  image = "i"
  pids_limit = 25e-1
}
