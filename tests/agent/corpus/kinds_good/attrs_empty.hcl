# An empty block is an empty map.
config {
  least { a = "l" }
  attrs {}
}
