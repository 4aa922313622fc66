# A list of texts is no list of maps.
config {
  image = "i"
  labels = ["a"]
}
