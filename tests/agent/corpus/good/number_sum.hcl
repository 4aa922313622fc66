# Arithmetic is done with 512 bits: this is 0.3, not a little more.
config {
  image = "i"
  pids_limit = 0.1 + 0.2
}
