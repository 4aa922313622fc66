# A label may stand without quotes.
config {
  image = "i"
  secret db {
    path = "1"
  }
}
