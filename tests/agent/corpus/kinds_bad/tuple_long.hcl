# Too many in a row.
config {
  least { a = "l" }
  tuple = ["a", 1, true, 2]
}
