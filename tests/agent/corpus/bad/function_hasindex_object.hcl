# An object has no indices.
config {
  image = "i"
  args = ["$${hasindex({ a = 1 }, \"a\")}"]
}
