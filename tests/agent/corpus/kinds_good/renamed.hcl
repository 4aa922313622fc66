# A part may have another name in the file than in the bytes.
config {
  least { a = "l" }
  other = "x"
}
