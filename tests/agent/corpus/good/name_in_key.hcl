# A key that is filled in at the client.
config {
  image = "i"
  labels = {
    "${NOMAD_TASK_NAME}" = "x"
    (upper("k"))         = "y"
  }
}
