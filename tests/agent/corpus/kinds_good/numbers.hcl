# A set is sorted and has each once.
config {
  least { a = "l" }
  numbers = [3, 1, "2", 1, 2.5, -1]
}
