# What is absent is null, empty, a default or a literal, by its kind.
config {
  least { a = "l" }
}
