# Leading zeros are not octal.
config {
  image = "i"
  pids_limit = "0010"
}
