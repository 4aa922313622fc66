# Text with more digits than a float has.
config {
  image = "i"
  pids_limit = "0.12345678901234567890123456789"
}
