# One more than a float64 can hold exactly: it is rounded between the command line and the client.
config {
  image = "i"
  pids_limit = 9007199254740993
}
