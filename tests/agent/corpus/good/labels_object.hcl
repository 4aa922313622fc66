# An object where a list of maps is asked for.
config {
  image = "i"
  labels = {
    a = "b"
    c : 1, d = true
  }
}
