# With a condition and the index.
config {
  image = "i"
  args = [for i, x in ["a", "b", "c"] : "${i}${x}" if x != "b"]
}
