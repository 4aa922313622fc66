# A side may be nothing.
config {
  image = "i"
  hostname = true ? null : "a"
  work_dir = false ? null : "a"
}
