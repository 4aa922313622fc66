# Labelled blocks written as an object.
config {
  image = "i"
  secret = {
    a = { path = "1" }
    b = { path = "2" }
  }
}
