# An object among texts.
config {
  image = "i"
  args = ["a", { b = "c" }]
}
