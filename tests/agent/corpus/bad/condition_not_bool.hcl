# A condition that is none.
config {
  image = "i"
  hostname = "a" ? "b" : "c"
}
