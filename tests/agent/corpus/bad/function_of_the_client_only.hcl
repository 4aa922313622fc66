# The command line does not know int.
config {
  image = "i"
  pids_limit = int(1.5)
}
