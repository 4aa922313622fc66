# An object without members.
config {
  image = "i"
  labels = {}
}
