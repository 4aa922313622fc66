# Two arguments on one line.
config {
  image = "i"
  secret "a" { path = "1" change_mode = "noop" }
}
