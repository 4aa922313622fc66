# NaN is none.
config {
  image = "i"
  pids_limit = "NaN"
}
