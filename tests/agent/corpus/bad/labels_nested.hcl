# A map of texts has no lists.
config {
  image = "i"
  labels = {
    a = ["b"]
  }
}
