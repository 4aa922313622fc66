# Combining marks are composed, as Unicode's form C asks.
config {
  image = "i"
  args = ["é", "\u0041\u030a", "한", "Å"]
}
