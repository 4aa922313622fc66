# Nothing between the marks.
config {
  image = "i"
  template {
    destination = "a"
    data = <<EOT
EOT
  }
}
