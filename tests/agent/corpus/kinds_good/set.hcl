# Equal blocks count once.
config {
  least { a = "l" }
  set {
    a = "1"
  }
  set {
    a = "1"
  }
}
