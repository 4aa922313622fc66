# Every escape of a quoted text.
config {
  image = "i"
  args = ["\n\r\t\"\\", "\u00e9\U0001F600", "a\u0000b", "$", "%", "$$", "%%", "a$b", "100%"]
}
