# Remainders, also of fractions and below zero.
config {
  image = "i"
  args = ["${7 % 3}", "${-7 % 3}", "${7.5 % 2}", "${10 - 2 * 3}", "${(10 - 2) * 3}", "${-(3)}"]
}
