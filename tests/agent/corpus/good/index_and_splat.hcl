# Elements and members of values.
config {
  image = "i"
  args = [["a", "b"][1], { a = "x" }.a, { a = "x" }["a"], join(",", [{ n = "p" }, { n = "q" }][*].n), join(",", [{ n = "p" }, { n = "q" }].*.n)]
}
