# A text cannot hold a list.
config {
  image = "i"
  hostname = "a${["b"]}"
}
