# The key // is a comment for the client.
config {
  image = "i"
  secret "a" {
    path = "1"
  }
  template = [{ destination = "a", "//" = "why" }]
}
