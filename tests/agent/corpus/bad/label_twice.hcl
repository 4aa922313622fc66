# Two secrets of one name.
config {
  image = "i"
  secret "a" {
    path = "1"
  }
  secret "a" {
    path = "2"
  }
}
