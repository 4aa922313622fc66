# Blocks in their order.
config {
  image = "i"
  template {
    destination = "b"
  }
  template {
    destination = "a"
    perms       = 644
  }
}
