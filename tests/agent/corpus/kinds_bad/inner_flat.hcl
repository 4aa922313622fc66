# Texts where lists are asked for.
config {
  least { a = "l" }
  inner = ["a"]
}
