# Two tasks in one network: what one serves on loopback the other hears.

job "timeline" {
  group "web" {
    network {
      mode     = "cni/together"
    }
    task "server" {
      driver = "strongbox"
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
      config {
        image   = "strongbox/busybox:1"
        command = "nc"
        args    = ["-ll", "-p", "7777", "-e", "echo", "hello"]
      }
    }
    task "timeline" {
      driver       = "strongbox"
      kill_timeout = "5s"
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "trap 'exit 0' TERM; grep \"$(hostname)\" /etc/hosts | cut -f1; until nc 127.0.0.1 7777 </dev/null; do sleep 1; done; while :; do sleep 1 & wait $!; done"]
      }
    }
  }
}
