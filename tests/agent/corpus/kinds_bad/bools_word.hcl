# A word among bools.
config {
  least { a = "l" }
  bools = ["no"]
}
