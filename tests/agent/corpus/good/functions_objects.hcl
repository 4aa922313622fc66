# Functions of objects.
config {
  image = "i"
  args = concat(keys({ b = 1, a = 2 }), values({ b = "x", a = "y" }), [lookup({ a = "z" }, "a", "d"), lookup({ a = "z" }, "b", "d"), zipmap(["p"], ["q"]).p, merge({ a = "1" }, { a = "2" }).a])
}
