# Both sides come to one type.
config {
  image = "i"
  args = [true ? 1 : "a", false ? true : "b"]
}
