# A function that there is not.
config {
  image = "i"
  hostname = nonsense("a")
}
