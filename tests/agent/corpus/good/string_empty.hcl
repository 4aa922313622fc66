# Empty text is not nothing.
config {
  image = "i"
  hostname = ""
}
