//! What holds for every template and every value: no panic, bounded output, values that stay values.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};
use strongbox::template::{Dependency, NoAnswers, Template};

/// Pieces of which templates are made, whole and broken.
const PIECES: [&str; 60] = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{ ",
    " }}",
    "{{- ",
    " -}}",
    "/*",
    "*/",
    " ",
    "\n",
    "x",
    ".",
    ".Data",
    ".Data.x",
    ".Data.list",
    "$",
    "$x",
    "$x :=",
    "$x =",
    "$i, $v :=",
    "|",
    "(",
    ")",
    ",",
    "\"a\"",
    "\"kv/a\"",
    "`r`",
    "'c'",
    "1",
    "-2",
    "0x1f",
    "1.5e3",
    "08",
    "true",
    "nil",
    "if",
    "else",
    "end",
    "with",
    "range",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "secret",
    "printf",
    "\"%5.2f %[2]d %q\"",
    "print",
    "index",
    "slice",
    "and",
    "or",
    "eq",
    "toJSON",
    "split",
    "add",
    "{{ end }}",
];

fn answers(value: &str) -> impl Fn(&Dependency) -> Option<Arc<Value>> {
    let answer = Arc::new(json!({ "data": { "x": value, "list": [value, 1, null, 1.5, {"k": value}] } }));
    move |dependency| (dependency.path.as_str() == "kv/a").then(|| Arc::clone(&answer))
}

/// Parses and renders, with and without answers; only a panic or an output beyond the limit fails.
fn exercise(source: &str, left: &str, right: &str) {
    let vars = BTreeMap::from([("job".to_owned(), "j".to_owned())]);
    match Template::from_source("t", source, left, right) {
        Err(error) => {
            let _ = error.to_string();
        }
        Ok(template) => {
            let _ = template.literal_dependencies();
            for answers in [&NoAnswers as &dyn strongbox::template::Answers, &answers("v")] {
                match template.render(answers, &vars) {
                    Ok(rendered) => assert!(rendered.text.expose().len() <= 1024 * 1024),
                    Err(error) => {
                        let _ = error.to_string();
                    }
                }
            }
        }
    }
}

fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/good");
    let entries = fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "tmpl")).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("a source")).collect()
}

/// Renders a source around the secret value `value`.
fn text(source: &str, value: &str) -> Vec<u8> {
    let template = Template::from_source("t", source, "", "").expect("it parses");
    template.render(&answers(value), &BTreeMap::new()).expect("it renders").text.expose().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(source in any::<String>(), left in "\\PC{0,3}", right in "\\PC{0,3}") {
        exercise(&source, &left, &right);
    }

    #[test]
    fn any_row_of_pieces_is_parsed_or_refused(pieces in prop::collection::vec(0..PIECES.len(), 0..40)) {
        let glued: String = pieces.iter().map(|&nth| PIECES[nth]).collect();
        let spaced = pieces.iter().map(|&nth| PIECES[nth]).collect::<Vec<_>>().join(" ");
        exercise(&glued, "", "");
        exercise(&spaced, "", "");
        exercise(&format!("{{{{ {spaced} }}}}"), "", "");
    }

    #[test]
    fn a_damaged_template_is_parsed_or_refused(nth in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), cut in 0usize..12, piece in 0..PIECES.len()) {
        let corpus = corpus();
        let source: Vec<char> = nth.get(&corpus).chars().collect();
        if !source.is_empty() {
            let from = from.index(source.len());
            let mut damaged: String = source[..from].iter().collect();
            damaged.push_str(PIECES[piece]);
            damaged.extend(&source[(from + cut).min(source.len())..]);
            exercise(&damaged, "", "");
        }
    }

    #[test]
    fn a_value_comes_out_as_it_is(value in any::<String>()) {
        let source = r#"{{ (secret "kv/a").Data.x }}"#;
        prop_assert_eq!(text(source, &value), value.as_bytes());
        let source = r#"{{ $x := (secret "kv/a").Data.x }}{{ printf "%s" ($x | base64Encode | base64Decode) }}"#;
        prop_assert_eq!(text(source, &value), value.as_bytes());
    }

    #[test]
    fn a_value_with_template_text_is_inert(before in "\\PC{0,5}", nth in 0..PIECES.len(), after in "\\PC{0,5}") {
        let value = format!("{before}{{{{ {} }}}}{after}", PIECES[nth]);
        prop_assert_eq!(text(r#"{{ with secret "kv/a" }}{{ .Data.x }}{{ end }}"#, &value), value.as_bytes());
    }

    #[test]
    fn json_reads_back_as_the_value(value in any::<String>()) {
        for function in ["toJSON", "toJSONPretty", "toUnescapedJSON", "toUnescapedJSONPretty"] {
            let written = text(&format!(r#"{{{{ (secret "kv/a").Data | {function} }}}}"#), &value);
            let read: Value = serde_json::from_slice(&written).expect("JSON");
            prop_assert_eq!(&read["x"], &json!(value));
            prop_assert_eq!(&read["list"], &json!([value, 1, null, 1.5, {"k": value}]));
        }
    }
}
