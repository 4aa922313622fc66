# Text beyond ASCII.
config {
  image = "i"
  args = ["grüße", "日本語", "😀", "‮"]
}
