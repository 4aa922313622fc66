# Too few in a row.
config {
  least { a = "l" }
  tuple = ["a", 1]
}
