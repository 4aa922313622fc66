# One key twice in a for.
config {
  image = "i"
  labels = [{ for x in ["a", "a"] : x => x }]
}
