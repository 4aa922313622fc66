# All of the environment by its name.
config {
  image = "i"
  args = ["${env["GREETING"]}", "${env.NOMAD_TASK_NAME}"]
}
