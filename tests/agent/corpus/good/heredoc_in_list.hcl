# A heredoc among other arguments.
config {
  image = "i"
  args = ["a", <<EOT
b
EOT
  , "c"]
}
