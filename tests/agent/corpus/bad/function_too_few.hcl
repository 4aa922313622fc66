# Too few arguments.
config {
  image = "i"
  hostname = replace("a", "b")
}
