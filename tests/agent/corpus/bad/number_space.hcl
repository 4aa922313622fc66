# And no spaces.
config {
  image = "i"
  pids_limit = " 5"
}
