# The same as a block.
config {
  image = "i"
  labels {
    a = "b"
    c = 1
  }
}
