# The same two labels again.
config {
  least { a = "l" }
  map "x" "y" {
    a = "1"
  }
  map "x" "y" {
    a = "2"
  }
}
