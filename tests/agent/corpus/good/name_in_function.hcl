# A function of the file sees the name's own text.
config {
  image = "i"
  args = [upper("x"), join(",", [NOMAD_TASK_NAME, "b"]), "${length([NOMAD_TASK_NAME])}"]
}
