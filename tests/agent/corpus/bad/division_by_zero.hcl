# Nothing can be divided by zero.
config {
  image = "i"
  pids_limit = 1 / 0
}
