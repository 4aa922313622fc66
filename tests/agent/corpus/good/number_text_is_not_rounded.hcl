# The same as text, which only becomes a number at the client.
config {
  image = "i"
  pids_limit = "9007199254740993"
}
