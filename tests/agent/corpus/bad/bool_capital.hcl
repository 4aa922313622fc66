# A bool is written small.
config {
  image = "i"
  init = "True"
}
