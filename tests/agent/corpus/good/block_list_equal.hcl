# Two equal ones stay two.
config {
  image = "i"
  template {
    destination = "a"
  }
  template {
    destination = "a"
  }
}
