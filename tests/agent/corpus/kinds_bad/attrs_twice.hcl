# Free names in two blocks.
config {
  least { a = "l" }
  attrs { a = "1" }
  attrs { b = "1" }
}
