# A number where text is asked for.
config {
  image = "i"
  hostname = 12.50
}
