# A row of parts, each by its own name.
config {
  least { a = "l" }
  first  = "x"
  second = "true"
}
