# A list of texts is no list of blocks.
config {
  image = "i"
  template = ["a"]
}
