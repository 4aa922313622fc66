# A block that the plugin does not know.
config {
  image = "i"
  sekret "a" {}
}
