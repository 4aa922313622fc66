# Too few blocks.
config {
}
