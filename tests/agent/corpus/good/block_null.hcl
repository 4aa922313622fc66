# Nothing where blocks may stand.
config {
  image = "i"
  template = null
}
