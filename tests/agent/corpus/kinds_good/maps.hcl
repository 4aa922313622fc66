# A list of maps of numbers.
config {
  least { a = "l" }
  maps = [{ a = "1" }, { b = 2, c = null }]
}
