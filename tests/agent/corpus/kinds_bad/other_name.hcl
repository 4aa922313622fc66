# The name in the bytes is not one in the file.
config {
  least { a = "l" }
  renamed = "x"
}
