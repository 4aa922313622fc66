# The same below zero.
config {
  image = "i"
  pids_limit = -0.1
}
