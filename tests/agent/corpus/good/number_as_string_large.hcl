# Large numbers where text is asked for.
config {
  image = "i"
  args = [1e21, 18446744073709551616, 9007199254740993, 0.1, 1e-7, 100000]
}
