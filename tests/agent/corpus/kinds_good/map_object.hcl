# The same as an object.
config {
  least { a = "l" }
  map = {
    x = { b = { a = "1" }, a = { a = "2" } }
  }
}
