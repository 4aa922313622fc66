# Too many arguments.
config {
  image = "i"
  hostname = upper("a", "b")
}
