# A whole number with a point.
config {
  image = "i"
  pids_limit = 5.0
}
