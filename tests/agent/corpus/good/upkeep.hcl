# How files are kept up: a script with its own block inside a labelled one and inside a repeated one.
config {
  image = "timeline:1.4"
  certificate "server" {
    change_mode = "script"
    splay       = "0s"
    on_outage   = "stop"
    outage_grace = "10m"
    change_script {
      command       = "/bin/reload"
      args          = ["--now", NOMAD_TASK_NAME]
      timeout       = "20s"
      fail_on_error = true
      first_run     = true
    }
  }
  secret "db" {
    path      = "database/creds/timeline"
    on_outage = "degrade"
  }
  template {
    destination = "app.env"
    data        = "x"
    change_mode = "script"
    change_script {
      command = "/bin/reload"
    }
  }
}
