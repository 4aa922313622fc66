# Keys that are no names.
config {
  image = "i"
  labels = {
    "a.b/c" = "d"
    "x y"   = "z"
    "1"     = "2"
    3       = "4"
  }
}
