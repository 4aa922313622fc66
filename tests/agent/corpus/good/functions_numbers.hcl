# Functions of numbers.
config {
  image = "i"
  args = ["${abs(-1.5)}", "${ceil(1.2)}", "${floor(-1.2)}", "${max(1, 5, 3)}", "${min(2, 0.1)}", join(",", range(3)), join(",", range(1, 4)), join(",", range(0, 1, 0.25)), join(",", range(3, 0, -1)), join(",", range(3, 0))]
}
