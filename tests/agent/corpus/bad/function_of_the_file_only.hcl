# The client does not know trimspace.
config {
  image = "i"
  hostname = "$${trimspace(\" a \")}"
}
