# A bool.
config {
  image = "i"
  init = true
}
