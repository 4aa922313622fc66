# A word among numbers.
config {
  least { a = "l" }
  maps = [{ a = "x" }]
}
