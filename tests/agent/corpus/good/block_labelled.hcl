# Labelled blocks, each under its name.
config {
  image = "i"
  secret "b" {
    path = "1"
  }
  secret "a" {
    path        = "2"
    change_mode = "noop"
  }
}
