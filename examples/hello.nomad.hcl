job "hello" {
  group "g" {
    task "hello" {
      driver = "strongbox"
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "echo hello from $NOMAD_TASK_NAME; sleep 2"]
      }
    }
  }
}
