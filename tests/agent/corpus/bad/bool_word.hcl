# Yes is no bool.
config {
  image = "i"
  init = "yes"
}
