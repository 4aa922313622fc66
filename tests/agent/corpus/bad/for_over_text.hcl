# A for over text.
config {
  image = "i"
  args = [for x in "abc" : x]
}
