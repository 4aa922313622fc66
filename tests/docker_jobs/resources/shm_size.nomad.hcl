# Room for shared memory.
#
#> sees 8192

job "shm_size" {
  type = "batch"

  group "main" {
    task "shm_size" {
      driver = "docker"

      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-ec", "df -k /dev/shm | awk 'NR == 2 { print $2 }'"]

        shm_size = 8388608
      }
    }
  }
}
