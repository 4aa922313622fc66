# A list where text is asked for.
config {
  image = "i"
  hostname = ["a"]
}
