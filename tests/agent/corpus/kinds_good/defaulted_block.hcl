# A block in the place of its default.
config {
  least { a = "l" }
  defaulted_block {
    a = "z"
  }
}
