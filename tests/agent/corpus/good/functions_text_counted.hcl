# Texts are counted as people see them.
config {
  image = "i"
  args = ["${strlen("ab")}", "${strlen("é")}", strrev("aé"), substr("éa", 0, 1), upper("ß"), lower("İ"), upper("ŉ")]
}
