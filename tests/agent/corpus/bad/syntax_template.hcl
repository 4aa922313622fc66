# A template that does not end.
config {
  image = "i"
  hostname = "${"
}
