# A key of the driver's config with a letter too many. Servers take it: only the node knows the driver's schema.

job "timeline" {
  group "web" {
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }
    task "timeline" {
      driver = "strongbox"
      config {
        image    = "strongbox/busybox:1"
        commmand = "sleep"
      }
    }
  }
}
