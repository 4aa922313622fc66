# An argument that the plugin does not know.
config {
  image = "i"
  imago = "x"
}
