# Empty text does not.
config {
  least { a = "l" }
  defaulted = ""
}
