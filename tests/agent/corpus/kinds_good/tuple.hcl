# A row of types.
config {
  least { a = "l" }
  tuple = [1, "2", "true"]
}
