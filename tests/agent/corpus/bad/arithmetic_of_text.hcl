# Words do not add up.
config {
  image = "i"
  pids_limit = "a" + 1
}
