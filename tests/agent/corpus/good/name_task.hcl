# A name of the task's environment.
config {
  image = "i"
  hostname = NOMAD_TASK_NAME
  args = ["${NOMAD_TASK_NAME}", "a-${NOMAD_TASK_NAME}-b", "${GREETING}"]
}
