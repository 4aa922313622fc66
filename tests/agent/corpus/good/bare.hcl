# The least that can be said.
config {
  image = "i"
}
