# A product beyond 64 bits, as text in an argument.
config {
  image = "i"
  args = ["${9223372036854775807 * 9223372036854775807}", "${1e21}", "${1e-7}"]
}
