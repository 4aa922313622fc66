# A list of all that has a text.
config {
  image = "i"
  args = ["a", 1, true, 1.5]
}
