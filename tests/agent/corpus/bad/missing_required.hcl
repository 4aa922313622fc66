# Without an image.
config {
  command = "x"
}
