# A label is any text.
config {
  image = "i"
  secret "a b/c.d" {
    path = "1"
  }
  secret "" {
    path = "2"
  }
}
