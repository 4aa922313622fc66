# A list spread over a function's arguments.
config {
  image = "i"
  args = ["${max([1, 2, 3]...)}"]
}
