# A power of two.
config {
  image = "i"
  pids_limit = 0.0009765625
}
