# So does that of a for.
config {
  image = "i"
  labels = { for x in ["a"] : x => x }
}
