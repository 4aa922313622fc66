# Objects with fixed names.
config {
  least { a = "l" }
  object = [{ a = 1, b = "2" }, { b = null, a = "x" }]
}
