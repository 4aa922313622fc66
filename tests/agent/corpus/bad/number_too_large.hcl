# Beyond what a float64 can carry.
config {
  image = "i"
  pids_limit = 1e400
}
