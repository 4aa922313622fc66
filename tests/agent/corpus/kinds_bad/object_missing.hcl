# A fixed name is missing.
config {
  least { a = "l" }
  object = [{ a = 1 }]
}
