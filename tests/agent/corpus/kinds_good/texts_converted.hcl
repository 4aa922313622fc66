# Numbers become texts before they are compared.
config {
  least { a = "l" }
  texts = ["10", 9, 10, true]
}
