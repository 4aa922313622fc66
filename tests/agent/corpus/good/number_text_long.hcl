# Text with more than seventeen digits.
config {
  image = "i"
  pids_limit = "123456789012345678901234567890.5"
}
