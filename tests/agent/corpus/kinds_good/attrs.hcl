# Free names in a block.
config {
  least { a = "l" }
  attrs {
    b = "1"
    a = 2
    c = true
  }
}
