# Infinity is a number, too.
config {
  image = "i"
  pids_limit = "Inf"
}
