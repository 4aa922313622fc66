# The same in the client's round.
config {
  image = "i"
  args = ["$${nothing}"]
}
