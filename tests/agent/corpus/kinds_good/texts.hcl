# A set of texts is sorted.
config {
  least { a = "l" }
  texts = ["b", "a", "b", "c"]
}
