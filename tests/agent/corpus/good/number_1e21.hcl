# Here the client begins to write floats with an exponent.
config {
  image = "i"
  pids_limit = 1e21
}
