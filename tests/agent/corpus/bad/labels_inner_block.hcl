# A block among labels is a list.
config {
  image = "i"
  labels {
    a {
      b = "c"
    }
  }
}
