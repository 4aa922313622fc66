# The second lacks it.
config {
  image = "i"
  template {
    destination = "a"
  }
  template {
    data = "b"
  }
}
