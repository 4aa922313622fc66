# A number where a bool is asked for.
config {
  image = "i"
  init = 1
}
