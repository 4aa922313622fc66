# Labelled blocks without any.
config {
  least { a = "l" }
  map = {}
}
