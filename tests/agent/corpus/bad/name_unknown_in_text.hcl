# The same in the middle of a text.
config {
  image = "i"
  args = ["a ${no.such.thing} b"]
}
