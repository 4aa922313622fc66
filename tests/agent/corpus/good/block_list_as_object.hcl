# One block written as an object.
config {
  image = "i"
  template = {
    destination = "a"
  }
}
