# A word in a set of numbers.
config {
  least { a = "l" }
  numbers = ["x"]
}
