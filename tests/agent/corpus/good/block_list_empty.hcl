# No blocks, in so many words.
config {
  image = "i"
  template = []
}
