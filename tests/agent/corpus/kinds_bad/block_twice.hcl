# A second block of which there is one.
config {
  least { a = "l" }
  block { a = "1" }
  block { a = "2" }
}
