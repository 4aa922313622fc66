# Names with dots.
config {
  image = "i"
  args = ["${node.unique.name}", "${node.class}", "${attr.kernel.name}", "${meta.rack}"]
}
