# A block hides the argument of its name.
config {
  image = "i"
  labels = [{ a = "b" }]
  labels {
    c = "d"
  }
}
