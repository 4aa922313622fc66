# Text that begins with the point.
config {
  image = "i"
  pids_limit = ".5"
}
