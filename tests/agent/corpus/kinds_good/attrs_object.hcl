# The same as an object.
config {
  least { a = "l" }
  attrs = {
    b = "1"
  }
}
