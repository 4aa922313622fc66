# As text, with a digit that a float would lose.
config {
  image = "i"
  pids_limit = "18446744073709551617"
}
