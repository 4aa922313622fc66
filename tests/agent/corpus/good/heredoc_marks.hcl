# Quotes and backslashes are themselves; template marks are not.
config {
  image = "i"
  template {
    destination = "a"
    data = <<EOT
"q" \n \ $$${x} ${NOMAD_TASK_NAME} {{ with secret "kv/data/a" }}{{ .Data.data.b }}{{ end }}
EOT
  }
}
