# Lines and a comma at the end.
config {
  image = "i"
  args = [
    "a", # one
    "b", // two
    /* three */ "c",
  ]
}
