# Blocks written as a list of objects.
config {
  image = "i"
  template = [{ destination = "a" }, { destination = "b" }]
}
