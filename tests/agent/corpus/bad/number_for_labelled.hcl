# A number where labelled blocks are asked for.
config {
  image = "i"
  secret = 5
}
