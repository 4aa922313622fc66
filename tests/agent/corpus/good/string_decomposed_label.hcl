# And the label of a block.
config {
  image = "i"
  secret "é" {
    path = "kv/é"
  }
}
