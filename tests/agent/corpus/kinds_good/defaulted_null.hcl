# Null brings the default back.
config {
  least { a = "l" }
  defaulted = null
}
