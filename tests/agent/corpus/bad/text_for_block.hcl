# Text where a block is asked for.
config {
  image = "i"
  template = "a"
}
