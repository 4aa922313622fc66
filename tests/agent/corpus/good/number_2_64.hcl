# Beyond 64 bits: goes out as text.
config {
  image = "i"
  pids_limit = 18446744073709551616
}
