# An argument of any type is sent as what it is.
config {
  least { a = "l" }
  any = true
}
