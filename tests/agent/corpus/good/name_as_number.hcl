# Text of the environment as a number.
config {
  image = "i"
  pids_limit = "${NOMAD_PORT_https}"
}
