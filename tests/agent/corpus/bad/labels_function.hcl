# The result of a function stays an object, which is no list of maps.
config {
  image = "i"
  labels = merge({ a = "b" }, { c = "d" })
}
