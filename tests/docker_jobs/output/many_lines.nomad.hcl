# Ten thousand lines arrive, up to the last.
#
#> sees line 1
#> sees line 5000
#> sees line 10000

job "many_lines" {
  type = "batch"

  group "main" {
    task "many_lines" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "seq -f 'line %g' 10000 2>/dev/null || seq 10000 | sed 's/^/line /'"]
      }
    }
  }
}
