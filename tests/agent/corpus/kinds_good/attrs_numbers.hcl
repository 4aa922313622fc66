# Free names with numbers.
config {
  least { a = "l" }
  values {
    a = "1"
    b = 2.5
  }
}
