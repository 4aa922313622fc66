# One argument twice.
config {
  image = "i"
  hostname = "a"
  hostname = "b"
}
