# Keys are sorted by their bytes.
config {
  image = "i"
  labels = {
    b = "1"
    a = "2"
    B = "3"
    "ä" = "4"
    _ = "5"
    "-" = "6"
  }
}
