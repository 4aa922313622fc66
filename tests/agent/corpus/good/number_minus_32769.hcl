# A whole number, at the edge of one of its forms.
config {
  image = "i"
  pids_limit = -32769
}
