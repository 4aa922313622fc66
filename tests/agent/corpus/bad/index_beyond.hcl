# No such element.
config {
  image = "i"
  hostname = ["a"][1]
}
