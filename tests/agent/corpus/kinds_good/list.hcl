# Blocks up to their number.
config {
  least { a = "l" }
  list {
    a = "1"
  }
  list {
    a = "2"
    n = 2
  }
}
