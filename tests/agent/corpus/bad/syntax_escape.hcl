# An escape that there is not.
config {
  image = "i"
  hostname = "\q"
}
