# Two halves meet in a template.
config {
  image = "i"
  hostname = "e${"\u0301"}"
}
