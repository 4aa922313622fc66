# JSON in and out.
config {
  image = "i"
  args = [jsonencode({ b = [1, 1.5, "<&>", null, true], a = "é" }), jsondecode("{\"a\":[1,\"x\"]}").a[1], jsonencode("a\u2028b"), jsonencode(18446744073709551617), jsonencode(0.1), jsonencode([]), jsonencode({}), jsonencode(null), "${jsondecode("1e3")}"]
}
