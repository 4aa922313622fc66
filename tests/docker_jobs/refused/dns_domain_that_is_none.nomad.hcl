# A domain with a blank in it.
#
#> refused dns_search_domains

job "dns_domain_that_is_none" {
  type = "batch"

  group "main" {
    task "dns_domain_that_is_none" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "true"]

        dns_search_domains = ["a b"]
      }
    }
  }
}
