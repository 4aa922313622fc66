# Numbers in text are decimal.
config {
  image = "i"
  pids_limit = "0x10"
}
