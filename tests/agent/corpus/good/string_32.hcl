# One more.
config {
  image = "i"
  hostname = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
}
