# The client's reverse is of texts.
config {
  image = "i"
  args = "$${reverse([\"a\", \"b\"])}"
}
