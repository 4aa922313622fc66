# The least indented line counts, tabs as they are.
config {
  image = "i"
  template {
    destination = "a"
    data = <<-EOT
      one
    two
   three ${NOMAD_TASK_NAME}
    EOT
  }
}
