# And as a bool.
config {
  image = "i"
  init = "${TRUE}"
}
