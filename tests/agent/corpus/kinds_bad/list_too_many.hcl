# Too many blocks.
config {
  least { a = "l" }
  list { a = "1" }
  list { a = "2" }
  list { a = "3" }
}
