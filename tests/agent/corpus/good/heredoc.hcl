# Lines until the mark, the last line break included.
config {
  image = "i"
  template {
    destination = "a"
    data = <<EOT
one
  two
EOT
  }
}
