//! What the rules say about a job, asked of the binary.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

const CONFIG: &str = r#"
plugin "nomad-driver-strongbox" {
  config {
    vault { address = "https://vault.internal:8200" }
    # allow { job = "commented-out" }
    allow {
      job     = "shop"
      roles   = ["shop"]
      paths   = ["kv/data/shop/*"]
      pki     = ["pki_int/shop"]
      sans    = ["*.shop.example"]
      max_ttl = "24h"
    }
    allow {
      namespace = "other"
      job       = "shop"
      roles     = ["shop"]
    }
  }
}
"#;

const JOB: &str = r#"
variable "place" { default = "eu" }
variable "key"   { type = string }
job "shop" {
  group "front" {
    task "web" {
      driver = "strongbox"
      config {
        image = "shop:${var.place}"
        secret "db" { path = "kv/data/shop/${var.place}" }
        certificate "server" {
          dns_sans = ["a.shop.example"]
          ttl      = "12h"
        }
        template {
          destination = "app.env"
          data        = <<-EOT
            {{ if false }}{{ with secret "MORE" }}{{ .Data.x }}{{ end }}{{ end }}
          EOT
        }
        args = ["${NOMAD_ALLOC_ID}"]
      }
    }
    task "side" {
      driver = "docker"
      config { image = "other" }
    }
  }
}
"#;

struct Files(tempfile::TempDir);

impl Files {
    fn new(job: &str) -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        fs::write(files.path("config.hcl"), CONFIG).expect("written");
        fs::write(files.path("job.hcl"), job).expect("written");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Explains the job; returns whether all is allowed, and what was printed.
    fn explain(&self, more: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_nomad-driver-strongbox"))
            .arg("explain")
            .arg(self.path("job.hcl"))
            .arg("--config")
            .arg(self.path("config.hcl"))
            .args(more)
            .output()
            .expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }
}

#[test]
fn each_request_is_told_with_the_rule_that_allows_it_and_its_line() {
    let (allowed, text) = Files::new(&JOB.replace("MORE", "kv/data/shop/more")).explain(&[]);
    assert!(allowed, "{text}");
    for line in [
        "task \"web\" of group \"front\", job \"shop\", namespace \"default\"",
        "  ok      login: role \"shop\" by allow rule 1, line 6",
        "  ok      secret \"db\": path \"kv/data/shop/eu\" by allow rule 1, line 6",
        "  ok      certificate \"server\": PKI role \"pki_int/shop\" for 43200 s by allow rule 1, line 6",
        "  ok      certificate \"server\": certificate name \"a.shop.example\" by allow rule 1, line 6",
        "  ok      template \"app.env\": path \"kv/data/shop/more\" by allow rule 1, line 6",
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\nis not in\n{text}");
    }
    assert!(!text.contains("side"), "that task is not ours: {text}");
}

#[test]
fn the_registrys_credential_and_variables_are_told_with_the_settings_that_decide() {
    let job = JOB.replace("image = \"shop:", "auth {\n vault = \"kv/data/shop/registry\"\n }\n image = \"shop:");
    let job = job.replace("MORE", "kv/data/shop/more");
    let plain = "secret \"db\" { path = \"kv/data/shop/${var.place}\" }";
    assert!(job.contains(plain));
    let env = "secret \"db\" {\n env = true\n change_mode = \"restart\"\n path = \"kv/data/shop/eu\"\n }";
    let job = job.replace(plain, env);
    let files = Files::new(&job);
    let (allowed, text) = files.explain(&[]);
    assert!(
        !allowed && text.contains("  ok      auth: path \"kv/data/shop/registry\" by allow rule 1, line 6\n"),
        "{text}"
    );
    assert!(text.contains("  REFUSED secret \"db\": env: values are not delivered as variables"), "{text}");
    assert!(text.contains("  REFUSED secret \"db\": no allow rule for"), "{text}");

    let open = CONFIG.replace("max_ttl = ", "deliver = [\"env\"]\n      max_ttl = ");
    let open = open.replace("vault {", "delivery { allow_env = true }\n    vault {");
    fs::write(files.path("config.hcl"), &open).expect("written");
    let (allowed, text) = files.explain(&[]);
    assert!(allowed && text.contains("  ok      secret \"db\": delivery \"env\" by delivery.allow_env\n"), "{text}");
    assert!(text.contains("  ok      secret \"db\": delivery \"env\" by allow rule 1, line 7\n"), "{text}");
    let (_, text) = files.explain(&["--json"]);
    let told: Value = serde_json::from_str(&text).expect("JSON");
    let settings: Vec<_> =
        told[0]["requests"].as_array().expect("requests").iter().map(|one| &one["setting"]).collect();
    assert!(settings.contains(&&"delivery.allow_env".into()), "{told}");
}

#[test]
fn a_pull_of_a_task_without_secrets_needs_a_login_and_a_password_its_setting() {
    let pull = |auth: &str| {
        let config = format!("image = \"shop\"\n auth {{\n {auth}\n }}");
        format!(
            "job \"shop\" {{\n group \"front\" {{\n task \"web\" {{\n driver = \"strongbox\"\n config {{\n {config}\n }}\n }}\n }}\n}}"
        )
    };
    let (allowed, text) = Files::new(&pull("vault = \"kv/data/shop/registry\"")).explain(&[]);
    assert!(allowed && text.contains("  ok      login: role \"shop\" by allow rule 1"), "{text}");
    let (allowed, text) = Files::new(&pull("vault = \"kv/data/other\"")).explain(&[]);
    assert!(!allowed && text.contains("  REFUSED auth: no allow rule for"), "{text}");

    let files = Files::new(&pull("username = \"u\"\n password = \"hush-hush\""));
    let (allowed, text) = files.explain(&[]);
    assert!(allowed && text.contains("  ok      auth: password in the job by registry.allow_inline\n"), "{text}");
    let shut = CONFIG.replace("vault {", "registry { allow_inline = false }\n    vault {");
    fs::write(files.path("config.hcl"), shut).expect("written");
    let (allowed, text) = files.explain(&[]);
    assert!(
        !allowed && text.contains("  REFUSED auth: auth.password is not allowed: registry.allow_inline is off"),
        "{text}"
    );
    assert!(!text.contains("hush-hush"), "{text}");
}

#[test]
fn what_is_refused_is_told_with_the_reason_and_a_bad_exit() {
    let files = Files::new(&JOB.replace("MORE", "kv/data/other").replace("12h", "48h"));
    let (allowed, text) = files.explain(&["--var", "place=us"]);
    assert!(!allowed && text.contains("ok      secret \"db\": path \"kv/data/shop/us\""), "{text}");
    assert!(text.contains("REFUSED template \"app.env\": no allow rule for namespace \"default\""), "{text}");
    assert!(text.contains("by its max_ttl not for 172800 s; ask for at most 86400 s"), "{text}");
    let (allowed, text) = files.explain(&["--namespace", "other", "--json"]);
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert!(!allowed && told[0]["allowed"] == false && told[0]["namespace"] == "other", "{told}");
    assert_eq!((&told[0]["requests"][0]["rule"], &told[0]["requests"][0]["line"]), (&2.into(), &14.into()));
    assert_eq!(told[0]["requests"][1]["allowed"], false);
}

#[test]
fn what_cannot_be_known_or_read_is_never_called_allowed() {
    let (allowed, text) =
        Files::new(&JOB.replace("MORE", "kv/data/shop/x").replace("\"kv/data/shop/${var.place}\"", "var.key"))
            .explain(&[]);
    assert!(!allowed && text.contains("UNKNOWN secret \"db\": path = var.key"), "{text}");
    let (allowed, text) = Files::new(&JOB.replace("destination", "destinatoin")).explain(&[]);
    assert!(!allowed && text.contains("WRONG   TaskConfigInvalid") && text.contains("destinatoin"), "{text}");
    let (allowed, text) = Files::new("group \"x\" {}").explain(&[]);
    assert!(!allowed && text.contains("no job block"), "{text}");
    let (allowed, text) = Files::new("job \"x\" {}").explain(&[]);
    assert!(!allowed && text.contains("no task with driver"), "{text}");
}
