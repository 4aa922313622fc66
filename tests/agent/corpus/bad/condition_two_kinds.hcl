# The sides have no type in common.
config {
  image = "i"
  args = true ? ["a"] : "b"
}
