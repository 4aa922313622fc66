# A comma too few.
config {
  image = "i"
  args = ["a" "b"]
}
