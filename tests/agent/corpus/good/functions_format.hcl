# The verbs of format.
config {
  image = "i"
  args = [format("%s-%d-%5.2f-%q-%v-%%", "a", 5, 1.5, "q", [1, "a"]), format("%03d|%-4s|%4s|%x|%+d", 7, "a", "b", 255, 3), format("%v %v %v", true, 1.5, null), format("%s", 12), format("%t", true), format("%e", 12345.678), format("%08.3f", 3.14159), format("%#v", { a = [1] }), format("%b %o %X", 5, 8, 255)]
}
