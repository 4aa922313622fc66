# A bool where text is asked for.
config {
  image = "i"
  hostname = true
  args = [true, false]
}
