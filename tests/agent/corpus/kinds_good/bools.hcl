# A list of bools.
config {
  least { a = "l" }
  bools = ["true", false, "0"]
}
