# No such member.
config {
  image = "i"
  hostname = { a = "b" }.c
}
