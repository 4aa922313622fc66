# A list under a free name.
config {
  least { a = "l" }
  attrs { a = ["1"] }
}
