# Keys are composed, too.
config {
  image = "i"
  labels = {
    "é" = "é"
  }
}
