# One escape of the file leaves a template for the client.
config {
  image = "i"
  args = ["$${NOMAD_TASK_NAME}", "$${upper(NOMAD_TASK_NAME)}"]
}
