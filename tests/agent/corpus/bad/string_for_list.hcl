# Text where a list is asked for.
config {
  image = "i"
  args = "a"
}
