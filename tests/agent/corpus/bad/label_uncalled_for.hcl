# A template has no name.
config {
  image = "i"
  template "a" {
    destination = "a"
  }
}
