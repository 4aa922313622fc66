# The same inside a block.
config {
  image = "i"
  secret "a" {
    path = "1"
    pass = "2"
  }
}
