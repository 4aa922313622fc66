# Nothing in its place.
config {
  least { a = "l" }
  block = null
}
