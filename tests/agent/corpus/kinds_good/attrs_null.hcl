# A name without a value.
config {
  least { a = "l" }
  attrs {
    a = null
  }
}
