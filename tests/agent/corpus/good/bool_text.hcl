# Text that is a bool.
config {
  image = "i"
  init = "true"
  readonly_rootfs = "false"
}
