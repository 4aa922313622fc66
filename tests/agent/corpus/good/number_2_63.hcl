# Just beyond the signed integers.
config {
  image = "i"
  pids_limit = 9223372036854775808
}
