# The agent's own templates and variables: what it asks of a driver when they change.

job "timeline" {
  group "web" {
    task "timeline" {
      driver       = "strongbox"
      kill_timeout = "5s"
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "trap 'exit 0' TERM; echo up; while :; do sleep 1 & wait $!; done"]
      }
      template {
        destination = "local/word"
        data        = "{{ with nomadVar \"nomad/jobs/timeline\" }}{{ .word }}{{ end }}"
        change_mode = "script"
        change_script {
          command = "sh"
          args    = ["-c", "cat /local/word > /tmp/seen"]
          timeout = "20s"
        }
      }
    }
  }
}
