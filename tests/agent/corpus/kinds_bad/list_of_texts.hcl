# Texts where blocks are asked for.
config {
  least { a = "l" }
  list = ["a"]
}
