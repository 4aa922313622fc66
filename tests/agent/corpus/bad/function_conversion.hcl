# Conversions have no functions of their own here.
config {
  image = "i"
  hostname = tostring(5)
}
