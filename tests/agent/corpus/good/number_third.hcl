# A quotient without end is rounded to a float on its way.
config {
  image = "i"
  pids_limit = 1 / 3
}
