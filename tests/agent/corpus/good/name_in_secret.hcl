# A name inside a labelled block.
config {
  image = "i"
  secret "db" {
    path = "kv/data/${NOMAD_TASK_NAME}"
  }
}
