# Nothing where labels are asked for.
config {
  least { a = "l" }
  map = null
}
