# A label with text instead of a block.
config {
  image = "i"
  secret = {
    a = "b"
  }
}
