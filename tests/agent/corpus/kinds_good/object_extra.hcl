# What the type does not name is left out.
config {
  least { a = "l" }
  object = [{ a = 1, b = 2, c = 3 }]
}
