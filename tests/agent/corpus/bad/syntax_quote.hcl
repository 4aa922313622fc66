# A quote too few.
config {
  image = "i"
  hostname = "a
}
