# All kinds of member.
config {
  image = "i"
  certificate "server" {
    mount         = "pki"
    dns_sans      = ["a", "b.${NOMAD_TASK_NAME}"]
    ip_sans       = []
    key_type      = null
    change_mode   = "signal"
    change_signal = "SIGHUP"
  }
}
