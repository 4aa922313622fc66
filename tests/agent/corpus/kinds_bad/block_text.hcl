# Text where a block is asked for.
config {
  least { a = "l" }
  block = "x"
}
