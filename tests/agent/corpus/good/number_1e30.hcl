# A whole number written as a float.
config {
  image = "i"
  pids_limit = 1e30
}
