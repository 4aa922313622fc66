# A member without a value.
config {
  image = "i"
  labels = {
    a = null
  }
}
