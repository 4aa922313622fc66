# Lists in a list.
config {
  least { a = "l" }
  inner = [["a", 1], [], ["b"]]
}
