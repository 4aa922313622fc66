# A list of objects.
config {
  image = "i"
  labels = [{ a = "b" }, { c = "d" }]
}
