# Text with a sign.
config {
  image = "i"
  pids_limit = "+7"
}
