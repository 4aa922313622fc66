# Escaped marks: each round takes one sign away.
config {
  image = "i"
  args = ["$$${x}", "%%%{x}", "$$$${x}", "a$$${NOMAD_TASK_NAME}b"]
}
