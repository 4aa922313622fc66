# Comparisons and logic.
config {
  image = "i"
  args = [1 < 2, 2 <= 1, "a" == "a", "a" != "a", 1 == 1.0, true && false, true || false, !true, 1 == "1", [1] == [1]]
}
