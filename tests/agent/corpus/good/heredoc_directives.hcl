# Conditions and loops, with trimming.
config {
  image = "i"
  template {
    destination = "a"
    data = <<EOT
%{ if true }yes%{ else }no%{ endif }
%{ for x in ["a", "b"] ~}
- ${x}
%{ endfor ~}
end
EOT
  }
}
