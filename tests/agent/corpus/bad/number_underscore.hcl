# And have no underscores.
config {
  image = "i"
  pids_limit = "1_000"
}
