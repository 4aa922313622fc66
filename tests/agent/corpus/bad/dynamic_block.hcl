# Blocks of a config are not generated.
config {
  image = "i"
  dynamic "template" {
    for_each = ["a"]
    content {
      destination = template.value
    }
  }
}
