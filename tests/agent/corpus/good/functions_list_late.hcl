# A whole value out of the client's round.
config {
  image = "i"
  args = "$${concat([\"a\"], [\"b\"])}"
}
