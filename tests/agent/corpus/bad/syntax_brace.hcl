# A brace too few.
config {
  image = "i"
  template {
    destination = "a"
}
