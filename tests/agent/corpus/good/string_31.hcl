# The longest of the shortest form.
config {
  image = "i"
  hostname = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
}
