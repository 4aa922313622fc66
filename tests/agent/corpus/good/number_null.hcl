# Nothing where a number is asked for.
config {
  image = "i"
  pids_limit = null
}
