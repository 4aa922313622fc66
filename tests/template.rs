//! The template language, seen from outside: rendering in passes, errors with their place, limits, inert values.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};
use strongbox::{
    domain::SecretString,
    template::{Dependency, NoAnswers, Rendered, Template, TemplateError},
};

/// Parses with the usual delimiters.
fn parse(source: &str) -> Result<Template, TemplateError> {
    Template::from_source("t", source, "", "")
}

fn read(path: &str) -> Dependency {
    Dependency::read(path.parse().expect("a path"))
}

fn answers(pairs: &[(&str, Value)]) -> BTreeMap<Dependency, Arc<Value>> {
    pairs.iter().map(|(path, data)| (read(path), Arc::new(json!({ "data": data })))).collect()
}

fn vars() -> BTreeMap<String, String> {
    BTreeMap::from([("job".to_owned(), "timeline".to_owned()), ("group".to_owned(), "web".to_owned())])
}

/// Renders `source` with the secret `kv/a` = `data`.
fn render(source: &str, data: Value) -> Result<Rendered, TemplateError> {
    parse(source)?.render(&answers(&[("kv/a", data)]), &vars())
}

/// Renders to text.
fn text(source: &str, data: Value) -> String {
    let rendered = render(source, data).expect("it renders");
    assert!(rendered.is_complete(), "{:?}", rendered.missing);
    String::from_utf8(rendered.text.expose().to_vec()).expect("UTF-8")
}

/// Renders for a task that has these variables.
fn with_env(source: &str, env: &[(&str, &str)]) -> Result<String, TemplateError> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), SecretString::new((*value).to_owned()))).collect();
    let known = answers(&[("kv/a", json!({ "name": "very-secret" }))]);
    let rendered = parse(source)?.render_within(&env, &known, &vars())?;
    Ok(String::from_utf8(rendered.text.expose().to_vec()).expect("UTF-8"))
}

fn error(source: &str, data: Value) -> TemplateError {
    render(source, data).expect_err("it must not render")
}

#[test]
fn a_secret_that_is_not_there_yet_is_reported_and_renders_as_nothing() {
    let template = parse(r#"A={{ with secret "kv/a" }}{{ .Data.x }}{{ else }}none{{ end }}."#).expect("good");
    let first = template.render(&NoAnswers, &vars()).expect("renders");
    assert_eq!(first.text.expose(), b"A=.");
    assert_eq!(first.missing, BTreeSet::from([read("kv/a")]));
    let second = template.render(&answers(&[("kv/a", json!({"x": "1"}))]), &vars()).expect("renders");
    assert_eq!(second.text.expose(), b"A=1.");
    assert!(second.is_complete());
    assert_eq!(second.used, first.used);
}

#[test]
fn a_secret_below_another_is_asked_for_in_the_second_pass_only() {
    let source = r#"{{ $p := (secret "kv/a").Data.next }}{{ with secret (printf "kv/%s" $p) }}{{ .Data.x }}{{ end }}"#;
    let template = parse(source).expect("good");
    let first = template.render(&NoAnswers, &vars()).expect("renders");
    assert_eq!(first.missing, BTreeSet::from([read("kv/a")]));
    let second = template.render(&answers(&[("kv/a", json!({"next": "b"}))]), &vars()).expect("renders");
    assert_eq!(second.missing, BTreeSet::from([read("kv/b")]));
}

#[test]
fn nothing_that_hangs_on_an_absent_secret_is_decided() {
    for source in [
        r#"{{ if not (secret "kv/a") }}{{ secret "kv/b" }}{{ end }}"#,
        r#"{{ if eq (secret "kv/a").Data.x "1" }}{{ secret "kv/b" }}{{ else }}{{ secret "kv/c" }}{{ end }}"#,
        r#"{{ range (secret "kv/a").Data.list }}{{ secret "kv/b" }}{{ else }}{{ secret "kv/c" }}{{ end }}"#,
        r#"{{ if and (secret "kv/a") true }}{{ else }}{{ secret "kv/b" }}{{ end }}"#,
        r#"{{ if or (secret "kv/a") false }}{{ else }}{{ secret "kv/b" }}{{ end }}"#,
        r#"{{ define "t" }}{{ secret .Data.path }}{{ end }}{{ template "t" secret "kv/a" }}"#,
    ] {
        let first = parse(source).expect("good").render(&NoAnswers, &vars()).expect(source);
        assert_eq!(first.missing, BTreeSet::from([read("kv/a")]), "{source}");
        assert_eq!(first.text.expose(), b"", "{source}");
    }
}

#[test]
fn an_error_that_may_come_from_what_is_missing_waits_for_the_next_pass() {
    let source = r#"{{ $p := "" }}{{ with secret "kv/a" }}{{ $p = .Data.p }}{{ end }}{{ with secret $p }}{{ .Data.x }}{{ end }}"#;
    let template = parse(source).expect("good");
    assert_eq!(template.render(&NoAnswers, &vars()).expect("no error yet").missing, BTreeSet::from([read("kv/a")]));
    let refused = template.render(&answers(&[("kv/a", json!({"p": ""}))]), &vars()).expect_err("refused now");
    assert!(matches!(refused, TemplateError::Refused { .. }), "{refused}");
}

#[test]
fn reads_are_due_before_writes() {
    let source = r#"{{ secret "pki/issue/r" "common_name=x" }}{{ secret "kv/a" }}"#;
    let rendered = parse(source).expect("good").render(&NoAnswers, &vars()).expect("renders");
    assert_eq!(rendered.missing.len(), 2);
    assert_eq!(rendered.due(), BTreeSet::from([read("kv/a")]));
}

#[test]
fn any_argument_makes_a_write_and_pairs_are_trimmed() {
    let rendered = parse(r#"{{ secret "/pki/issue/r" " common_name = x " "ttl=1h" }}"#)
        .expect("good")
        .render(&NoAnswers, &vars())
        .expect("renders");
    let only = rendered.missing.first().expect("one");
    assert!(only.is_write());
    assert_eq!(only.path.as_str(), "pki/issue/r");
    assert_eq!(only.params, BTreeMap::from([("common_name".into(), "x".into()), ("ttl".into(), "1h".into())]));
}

#[test]
fn literal_dependencies_are_found_in_every_branch() {
    let source = r#"{{ if false }}{{ secret "kv/a" }}{{ end }}{{ define "d" }}{{ "kv/b" | secret }}{{ end }}
        {{ with (secret "kv/c").Data }}{{ end }}{{ secret (printf "kv/%s" "d") }}{{ print (len (secret "kv/e")) }}"#;
    let found = parse(source).expect("good").literal_dependencies();
    assert_eq!(found, ["kv/a", "kv/b", "kv/c", "kv/e"].map(read).into());
}

#[test]
fn the_answer_has_the_names_of_the_peers() {
    let answer = json!({"data": {"x": "1"}, "lease_id": "db/1", "lease_duration": 60, "renewable": true});
    let known = BTreeMap::from([(read("kv/a"), Arc::new(answer))]);
    let source =
        r#"{{ with secret "kv/a" }}{{ .LeaseID }} {{ .LeaseDuration }} {{ .Renewable }} {{ .Data.x }}{{ end }}"#;
    let rendered = parse(source).expect("good").render(&known, &vars()).expect("renders");
    assert_eq!(rendered.text.expose(), b"db/1 60 true 1");
}

#[test]
fn a_missing_key_names_key_path_and_secret_and_place() {
    let error =
        error("one\n  {{ with secret \"kv/a\" }}{{ .Data.data.nope }}{{ end }}", json!({"data": {"k": "hunter2"}}));
    assert_eq!(
        error.to_string(),
        "template \"t\", line 2, column 40: key \"nope\" is missing in .Data.data of secret \"kv/a\", \
         in `{{ with secret \"kv/a\" }}{{ .Data.data.nope }}{{ end }}`"
    );
}

#[test]
fn null_is_an_error_where_it_would_be_printed_and_false_where_it_is_tested() {
    let data = json!({"n": null});
    for source in [
        r#"{{ (secret "kv/a").Data.n }}"#,
        r#"{{ printf "%s" (secret "kv/a").Data.n }}"#,
        r#"{{ (secret "kv/a").Data.n | toUpper }}"#,
        r#"{{ index (secret "kv/a").Data "nope" }}"#,
    ] {
        assert!(matches!(error(source, data.clone()), TemplateError::NullValue { .. }), "{source}");
    }
    assert_eq!(text(r#"{{ if (secret "kv/a").Data.n }}x{{ else }}y{{ end }}"#, data.clone()), "y");
    assert_eq!(text(r#"{{ or (index (secret "kv/a").Data "nope") "default" }}"#, data.clone()), "default");
    assert_eq!(text(r#"{{ index (secret "kv/a").Data "nope" | sprig_default "d" }}"#, data), "d");
}

#[test]
fn binary_values_come_out_byte_for_byte() {
    let all: Vec<u8> = (0..=255).collect();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &all);
    let rendered =
        render(r#"{{ (secret "kv/a").Data.jks | base64Decode }}"#, json!({"jks": encoded})).expect("renders");
    assert_eq!(rendered.text.expose(), all);
    let round = text(r#"{{ (secret "kv/a").Data.jks | base64Decode | base64Encode }}"#, json!({"jks": encoded}));
    assert_eq!(round, encoded);
}

#[test]
fn template_text_in_a_value_is_inert() {
    let value = r#"{{ secret "sys/x" }}{{ end }}{{/* "#;
    assert_eq!(text(r#"<{{ (secret "kv/a").Data.x }}>"#, json!({ "x": value })), format!("<{value}>"));
}

#[test]
fn no_error_shows_a_value() {
    let data = json!({"x": "hunter2", "n": 5, "list": ["hunter2"]});
    for source in [
        r#"{{ (secret "kv/a").Data.x | parseInt }}"#,
        r#"{{ (secret "kv/a").Data.x | parseBool }}"#,
        r#"{{ (secret "kv/a").Data.x | parseJSON }}"#,
        r#"{{ (secret "kv/a").Data.x | base64Decode }}"#,
        r#"{{ printf "%d" (secret "kv/a").Data.x }}"#,
        r#"{{ printf (secret "kv/a").Data.x 1 }}"#,
        r#"{{ index (secret "kv/a").Data (secret "kv/a").Data.x }}"#,
        r#"{{ (secret "kv/a").Data.x.y }}"#,
        r#"{{ add 1 (secret "kv/a").Data.x }}"#,
        r#"{{ secret (printf "/../%s" (secret "kv/a").Data.x) }}"#,
        r#"{{ secret "kv/b" (secret "kv/a").Data.x }}"#,
        r#"{{ meta (secret "kv/a").Data.x }}"#,
        r#"{{ lt 1 (secret "kv/a").Data.x }}"#,
        r#"{{ range (secret "kv/a").Data.x }}{{ end }}"#,
    ] {
        let error = error(source, data.clone());
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{source}: {error}");
    }
}

#[test]
fn loops_recursion_and_doubling_are_stopped() {
    for source in [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}",
        r#"{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}"#,
        r#"{{ define "a" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ if true }}{{ template "a" }}{{ end }}{{ end }}{{ template "a" }}"#,
        r#"{{ $x := "xxxxxxxx" }}{{ range 100 }}{{ $x = printf "%s%s" $x $x }}{{ end }}"#,
        r#"{{ range 1000 }}{{ range 1000 }}0123456789{{ end }}{{ end }}"#,
        r#"{{ $x := printf "%60000d" 1 }}{{ range 10000 }}{{ $y := split "" $x }}{{ end }}"#,
        r#"{{ indent 1000000000000 "x" }}"#,
    ] {
        let error = parse(source).expect(source).render(&NoAnswers, &vars()).expect_err(source);
        assert!(matches!(error, TemplateError::Limit { .. }), "{source}: {error}");
    }
}

#[test]
fn deep_nesting_is_refused_before_it_costs_anything() {
    let blocks = format!("{}{}", "{{if true}}".repeat(10_000), "{{end}}".repeat(10_000));
    let parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
    for source in [blocks, parentheses, "{{".repeat(100_000), "{{if true}}{{else if true}}".repeat(4_000)] {
        assert!(parse(&source).is_err());
    }
    assert!(matches!(parse(&"x".repeat(300 * 1024)), Err(TemplateError::Source { .. })));
    let fields = format!("{{{{ {} }}}}", ".a".repeat(100_000));
    parse(&fields).expect("a long chain is not deep").render(&NoAnswers, &vars()).expect_err("there is no data");
}

#[test]
fn the_deepest_nesting_that_is_allowed_fits_a_threads_stack() {
    let inner = format!("{}x{}", "{{if (((true)))}}".repeat(60), "{{end}}".repeat(60));
    let source = format!(r#"{{{{ define "a" }}}}{inner}{{{{ template "a" }}}}{{{{ end }}}}{{{{ template "a" }}}}"#);
    let error = parse(&source).expect("parses").render(&NoAnswers, &vars()).expect_err("recursion");
    assert!(matches!(error, TemplateError::Limit { .. }), "{error}");
}

#[test]
fn a_byte_order_mark_goes_and_line_ends_stay() {
    assert_eq!(text("\u{feff}a\r\n{{ 1 }}\r\n", json!({})), "a\r\n1\r\n");
}

#[test]
fn own_delimiters_work_and_equal_ones_are_refused() {
    let template = Template::from_source("t", "{{ [[ meta \"job\" ]] }}", "[[", "]]").expect("good");
    assert_eq!(template.render(&NoAnswers, &vars()).expect("renders").text.expose(), b"{{ timeline }}");
    for (left, right) in [("##", "##"), ("{{", "{{"), ("< ", ">"), ("0123456789abcdefg", ">")] {
        assert!(
            matches!(Template::from_source("t", "", left, right), Err(TemplateError::Source { .. })),
            "{left} {right}"
        );
    }
}

#[test]
fn one_secret_is_looked_up_once_however_often_it_is_named() {
    let asked = std::cell::Cell::new(0);
    let counting = |_: &Dependency| {
        asked.set(asked.get() + 1);
        Some(Arc::new(json!({"data": {"x": "1"}})))
    };
    let source = r#"{{ with secret "kv/a" }}{{ .Data.x }}{{ end }}"#.repeat(50);
    let rendered = parse(&source).expect("good").render(&counting, &vars()).expect("renders");
    assert_eq!(rendered.text.expose().len(), 50);
    assert_eq!(asked.get(), 1);
}

#[test]
fn who_the_task_is_comes_from_its_identity_whatever_its_variables_say() {
    let forged = [("NOMAD_JOB_ID", "payroll"), ("NOMAD_GROUP_NAME", "root"), ("OTHER", "its own")];
    let source = r#"{{ env "NOMAD_JOB_ID" }} {{ env "NOMAD_GROUP_NAME" }} {{ env "OTHER" }}"#;
    assert_eq!(with_env(source, &forged).expect("it renders"), "timeline web its own");
    let error = parse(source).expect("good").check_variables(&BTreeMap::new()).expect_err("one is wanting").to_string();
    assert!(error.contains("line 1, column 58") && error.contains("no variable \"OTHER\""), "{error}");
    // No identity tells this one here, and what the task calls itself does not step in.
    with_env(r#"{{ env "NOMAD_TASK_NAME" }}"#, &[("NOMAD_TASK_NAME", "forged")]).expect_err("not known");
}

#[test]
fn a_variable_whose_name_is_a_secret_is_not_named() {
    let error = with_env(r#"{{ with secret "kv/a" }}{{ env .Data.name }}{{ end }}"#, &[]).expect_err("there is none");
    assert!(error.to_string().contains("has no variable of the computed name"), "{error}");
    assert!(!format!("{error} {error:?}").contains("very-secret"), "{error}");
    let late = with_env(r#"{{ with secret "kv/b" }}{{ env .Data.name }}{{ end }}"#, &[]).expect("it waits");
    assert_eq!(late, "");
}
