# A small fraction, which the client writes with an exponent.
config {
  image = "i"
  pids_limit = 0.0000001
}
