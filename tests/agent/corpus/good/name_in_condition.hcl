# A condition of the file with a name it does not know.
config {
  image = "i"
  hostname = true ? NOMAD_TASK_NAME : "x"
}
