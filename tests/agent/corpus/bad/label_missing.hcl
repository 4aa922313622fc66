# A secret without a name.
config {
  image = "i"
  secret {
    path = "1"
  }
}
