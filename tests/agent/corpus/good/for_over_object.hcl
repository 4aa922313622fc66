# Over an object, sorted by key.
config {
  image = "i"
  args = [for k, v in { b = 1, a = 2 } : "${k}=${v}"]
}
