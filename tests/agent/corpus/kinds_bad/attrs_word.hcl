# A word where numbers are asked for.
config {
  least { a = "l" }
  values { a = "x" }
}
