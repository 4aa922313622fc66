# A bool where a number is asked for.
config {
  image = "i"
  pids_limit = true
}
