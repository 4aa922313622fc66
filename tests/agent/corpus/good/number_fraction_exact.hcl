# A fraction that a float holds exactly.
config {
  image = "i"
  pids_limit = 1.5
}
