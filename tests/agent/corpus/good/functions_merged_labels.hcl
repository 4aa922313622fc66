# The result of a function is no written-out object, yet a list of it is one.
config {
  image = "i"
  labels = [merge({ a = "b" }, { c = "d" })]
}
