# A heredoc that does not end.
config {
  image = "i"
  hostname = <<EOT
a
}
