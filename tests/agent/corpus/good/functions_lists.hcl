# Functions of lists.
config {
  image = "i"
  args = concat(["a"], ["b"], compact(["", "c"]), distinct(["d", "d"]), flatten([["e"], [["f"]]]), sort(["h", "g"]), slice(["i", "j", "k"], 1, 3), [element(["l", "m"], 3), coalesce(null, "n"), "${contains(["a"], "a")}", "${length([1, 2])}"])
}
