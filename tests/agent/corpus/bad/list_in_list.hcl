# A list among texts.
config {
  image = "i"
  args = ["a", ["b"]]
}
