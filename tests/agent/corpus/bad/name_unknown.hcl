# A name that nobody knows.
config {
  image = "i"
  hostname = NOMAD_NOTHING
}
