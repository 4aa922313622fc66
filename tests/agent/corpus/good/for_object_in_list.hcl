# Objects made of a list.
config {
  image = "i"
  labels = [{ for x in ["a", "b"] : x => upper(x) }]
}
