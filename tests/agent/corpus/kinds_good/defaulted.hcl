# A value in the place of its default.
config {
  least { a = "l" }
  defaulted = "eleven"
}
