# Empty text is no number.
config {
  image = "i"
  pids_limit = ""
}
