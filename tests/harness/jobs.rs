//! Job files, as far as an orchestrator understands them.

use std::{collections::BTreeMap, time::Duration};

use crate::harness::{
    hcl::value::{Node, Value},
    job::{self, Job, Task},
    report::Source,
};

fn parse(text: &str, given: &[(&str, &str)]) -> Result<Job, String> {
    let given: BTreeMap<_, _> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    job::parse(&Source::new("test.nomad.hcl", text), &given).map_err(|report| report.to_string())
}

fn task(job: &Job) -> &Task {
    job.tasks().next().expect("a task").1
}

/// Returns a job with one task whose config has this one line.
fn with(line: &str, before: &str) -> String {
    format!(
        "{before}\njob \"j\" {{\n  group \"g\" {{\n    task \"t\" {{\n      driver = \"d\"\n      config {{\n        {line}\n      }}\n    }}\n  }}\n}}\n"
    )
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(members) => {
            let members: Vec<_> =
                members.iter().map(|(key, member)| format!("{key}: {}", shown(&member.node))).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_text().unwrap_or_else(|| "null".to_owned()),
    }
}

/// Evaluates an expression in the place of a config's argument.
fn value(expression: &str, before: &str) -> String {
    let job = parse(&with(&format!("x = {expression}"), before), &[]).unwrap_or_else(|error| panic!("{error}"));
    shown(task(&job).config.get("x").expect("x"))
}

#[test]
fn what_a_job_says_is_read() {
    let job = parse(
        r#"
job "web" {
  datacenters = ["*", "north"]
  namespace   = "team"
  meta {
    a = "1"
  }
  group "g" {
    network {
      port "http" {
        static = 8080
        to     = 80
      }
    }
    task "t" {
      driver       = "strongbox"
      user         = "app"
      kill_timeout = "1m30s"
      kill_signal  = "SIGINT"
      env {
        A = "b"
      }
      identity {
        name = "vault_default"
        aud  = ["vault.io"]
        file = true
        ttl  = "1h"
      }
      resources {
        cpu    = 200
        memory = 64
      }
      logs {
        disabled = true
      }
    }
  }
}"#,
        &[],
    )
    .expect("a job");
    assert_eq!((job.namespace.as_str(), job.datacenter.as_str()), ("team", "north"));
    let port = &job.groups[0].network.ports[0];
    assert_eq!((port.label.as_str(), port.fixed, port.to), ("http", Some(8080), Some(80)));
    let task = task(&job);
    assert_eq!((task.kill_timeout, task.kill_signal.as_str()), (Duration::from_secs(90), "SIGINT"));
    assert_eq!((task.resources.cpu, task.resources.memory), (200, 64));
    let identity = &task.identities[0];
    assert_eq!((identity.name.as_str(), identity.file, identity.env), ("vault_default", true, false));
    assert_eq!(identity.ttl, Some(Duration::from_secs(3600)));
    assert!(task.logs_disabled);
}

#[test]
fn a_variable_has_its_default_until_it_is_given() {
    let text = with("x = var.v", "variable \"v\" {\n  type    = number\n  default = 3\n}");
    let x = |given| shown(task(&parse(&text, given).expect("a job")).config.get("x").expect("x"));
    assert_eq!(x(&[]), "3");
    assert_eq!(x(&[("v", "4")]), "4");
}

#[test]
fn a_variable_that_nobody_declared_is_an_error() {
    let error = parse(&with("x = 1", ""), &[("nobody", "1")]).expect_err("an error");
    assert!(error.contains("declares no variable \"nobody\""), "{error}");
}

#[test]
fn locals_may_name_each_other_in_any_order() {
    assert_eq!(value("local.a", "locals {\n  a = \"${local.b}!\"\n  b = \"c\"\n}"), "c!");
}

#[test]
fn heredocs_lose_the_indent_they_share() {
    let text = with("x = <<-EOT\n          one\n            two\n        EOT", "");
    let job = parse(&text, &[]).expect("a job");
    assert_eq!(shown(task(&job).config.get("x").expect("x")), "one\n  two\n");
}

#[test]
fn functions_loops_and_conditions_work() {
    for (expression, expected) in [
        (r#"upper("ab")"#, "AB"),
        (r#"join("-", ["a", "b"])"#, "a-b"),
        (r#"[for n in [1, 2] : n * 10]"#, "[10, 20]"),
        (r#"{ for n in ["a"] : n => 1 }"#, "{a: 1}"),
        (r#"1 < 2 ? "yes" : "no""#, "yes"),
        (r#"jsonencode({ a = 1 })"#, r#"{"a":1}"#),
        (r#"base64encode("a")"#, "YQ=="),
        (r#"format("%s-%d", "a", 2)"#, "a-2"),
        (r#""%{ if true }a%{ else }b%{ endif }""#, "a"),
    ] {
        assert_eq!(value(expression, ""), expected, "{expression}");
    }
}

#[test]
fn what_only_the_client_knows_stays_as_it_was_written() {
    assert_eq!(value(r#""port ${NOMAD_PORT_http}""#, ""), "port ${NOMAD_PORT_http}");
    assert_eq!(value(r#""${node.unique.name}""#, ""), "${node.unique.name}");
}

#[test]
fn errors_name_line_and_column() {
    for (text, place, words) in [
        (with("x = nosuch(1)", ""), "test.nomad.hcl:7:", "no such function"),
        (with("x = var.missing", ""), "test.nomad.hcl:7:", "missing"),
        (with("x = ", ""), "test.nomad.hcl:", "this is not HCL"),
        (with("x = 1", "").replace("driver", "drover"), "test.nomad.hcl:5:7:", "drover"),
    ] {
        let error = parse(&text, &[]).expect_err("an error");
        assert!(error.contains(place) && error.contains(words), "{place} {words}: {error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = with("x = 1", "").replace("driver = \"d\"", "kill_timeout = \"soon\"\n      nonsense = 1");
    let error = parse(&text, &[]).expect_err("an error");
    for part in ["kill_timeout", "nonsense", "driver"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
