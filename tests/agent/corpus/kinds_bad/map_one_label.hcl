# One label of two.
config {
  least { a = "l" }
  map "x" {
    a = "1"
  }
}
