# A secret with two names.
config {
  image = "i"
  secret "a" "b" {
    path = "1"
  }
}
