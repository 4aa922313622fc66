# A literal cannot be set.
config {
  least { a = "l" }
  literal = 1
}
