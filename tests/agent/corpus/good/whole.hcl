# Much of it at once.
config {
  image = "timeline:1.4"
  force_pull = false
  command    = "serve"
  args       = ["--port", "${NOMAD_PORT_https}", "--name", NOMAD_TASK_NAME]
  entrypoint = ["/init"]
  work_dir   = "/srv"
  ports      = ["https"]
  cap_drop   = ["all"]
  pids_limit = 64
  init       = true
  labels {
    team = "web"
  }
  certificate "server" {
    change_mode   = "signal"
    change_signal = "SIGHUP"
  }
  secret "db" {
    path = "database/creds/timeline"
  }
  template {
    destination = "app.env"
    data        = <<-EOT
    {{ with secret "kv/data/timeline" }}API_KEY={{ .Data.data.api_key }}{{ end }}
  EOT
    change_mode = "restart"
  }
}
