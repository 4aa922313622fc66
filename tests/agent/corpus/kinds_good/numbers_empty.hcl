# An empty set.
config {
  least { a = "l" }
  numbers = []
}
