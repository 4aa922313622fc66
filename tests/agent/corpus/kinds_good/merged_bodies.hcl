# A list of objects in the place of one body.
config {
  least { a = "l" }
  map = [{ x = [{ a = [{ a = "1" }] }] }, { y = { b = { a = "2" } } }]
}
