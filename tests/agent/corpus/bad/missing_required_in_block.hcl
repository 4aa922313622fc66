# A secret without a path.
config {
  image = "i"
  secret "a" {}
}
