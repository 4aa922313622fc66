# Values of one key gathered.
config {
  image = "i"
  args = [for k, v in { for x in ["a1", "a2", "b1"] : substr(x, 0, 1) => x... } : "${k}:${join(",", v)}"]
}
