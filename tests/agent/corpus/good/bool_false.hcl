# A bool.
config {
  image = "i"
  init = false
}
