# A fraction that no float holds exactly goes out as text.
config {
  image = "i"
  pids_limit = 0.1
}
