# A null among texts stays one.
config {
  image = "i"
  args = ["a", null]
}
