# A list made of a list.
config {
  image = "i"
  args = [for x in ["a", "b"] : upper(x)]
}
