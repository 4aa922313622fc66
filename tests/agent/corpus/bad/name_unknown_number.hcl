# A name of no number.
config {
  image = "i"
  pids_limit = "${NOMAD_TASK_NAME}"
}
