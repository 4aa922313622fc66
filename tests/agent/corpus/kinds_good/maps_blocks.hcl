# The same as blocks.
config {
  least { a = "l" }
  maps {
    a = 1
  }
  maps {
    b = "2"
  }
}
