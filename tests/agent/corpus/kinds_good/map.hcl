# Blocks with two labels.
config {
  least { a = "l" }
  map "x" "b" {
    a = "1"
  }
  map "x" "a" {
    a = "2"
  }
  map "w" "a" {
    a = "3"
  }
}
