# One block.
config {
  least { a = "l" }
  block {
    a = "1"
  }
}
