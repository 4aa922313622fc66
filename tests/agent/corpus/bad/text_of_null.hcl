# Nor nothing.
config {
  image = "i"
  hostname = "a${null}"
}
