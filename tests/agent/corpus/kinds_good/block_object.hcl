# The same as an object.
config {
  least { a = "l" }
  block = { a = "1", n = "7" }
}
