# Functions of texts.
config {
  image = "i"
  args = [upper("aé"), lower("AÉ"), title("ab cd"), chomp("a\n\n"), trimspace(" a "), strrev("abc"), trim("?a!", "?!"), trimprefix("ab", "a"), trimsuffix("ab", "b"), replace("aba", "a", "x"), substr("abcde", 1, 3), substr("abcde", -2, -1), indent(2, "a\nb"), join("-", ["a", "b"]), join("-", split(",", "a,b"))]
}
