# Those that the client offers, called in its round.
config {
  image = "i"
  args = [
    "$${upper(\"a\")}", "$${lower(\"A\")}", "$${strlen(\"abc\")}", "$${substr(\"abc\", 1, 1)}", "$${reverse(\"abc\")}", "$${max(1, 2)}", "$${min(1, 2)}",
    "$${abs(-1)}", "$${int(1.7)}", "$${int(-1.7)}", "$${length([1])}", "$${coalesce(null, \"c\")}", "$${concat([\"a\"], [\"b\"])[1]}",
    "$${hasindex([\"a\"], 0)}", "$${jsonencode([1])}", "$${jsondecode(\"[1]\")[0]}",
  ]
}
