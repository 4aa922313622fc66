# Two blocks of one name are two maps.
config {
  image = "i"
  labels {
    a = "b"
  }
  labels {
    c = "d"
  }
}
