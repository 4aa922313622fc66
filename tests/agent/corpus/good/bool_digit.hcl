# Digits in text are bools, too.
config {
  image = "i"
  init = "1"
  readonly_rootfs = "0"
}
