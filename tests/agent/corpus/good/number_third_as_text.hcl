# In a text all the digits stay.
config {
  image = "i"
  hostname = "x${1 / 3}"
}
