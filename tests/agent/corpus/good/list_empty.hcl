# An empty list.
config {
  image = "i"
  args = []
}
