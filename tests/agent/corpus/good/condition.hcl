# The chosen side counts.
config {
  image = "i"
  hostname = 1 < 2 ? "yes" : "no"
  args = false ? ["a"] : ["b", "c"]
}
