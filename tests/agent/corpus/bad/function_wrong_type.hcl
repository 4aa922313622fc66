# A list for a function of texts.
config {
  image = "i"
  hostname = upper(["a"])
}
