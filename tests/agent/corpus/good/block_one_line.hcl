# A block on one line.
config {
  image = "i"
  certificate "server" { ttl = "1h" }
}
