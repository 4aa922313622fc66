# The common indentation is taken away.
config {
  image = "i"
  template {
    destination = "a"
    data = <<-EOT
    one
      two

    three
    EOT
  }
}
