# A block with nothing in it still has every member.
config {
  image = "i"
  certificate "server" {}
}
