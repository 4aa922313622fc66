# A power of two that reaches the client as rounded decimal digits.
config {
  image = "i"
  pids_limit = 1208925819614629174706176
}
