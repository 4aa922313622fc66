//! Templates in numbered pairs: good ones render as Go's own engine rendered them, bad ones fail with the sentence beside them.
//!
//! What comes out of the good ones is recorded by `cd tests/templates/record && go run . ../good`. The sentences of the bad ones are ours:
//! `RECORD_TEMPLATE_ERRORS=1 cargo test --test template_corpus` writes them, to be read before they are committed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use strongbox::{
    domain::{SecretString, ServerPath},
    template::{Dependency, Rendered, Template, TemplateError},
};

/// The JSON file beside a template.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Setup {
    answers: Vec<Known>,
    vars: BTreeMap<String, String>,
    env: BTreeMap<String, SecretString>,
    left: String,
    right: String,
}

#[derive(Deserialize)]
struct Known {
    path: ServerPath,
    #[serde(default)]
    params: BTreeMap<String, String>,
    /// Whether it answers `secrets`.
    #[serde(default)]
    list: bool,
    answer: serde_json::Value,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates").join(name)
}

fn sources(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).expect("the corpus");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "tmpl"))
        .collect();
    found.sort();
    found
}

fn render(path: &Path) -> Result<Rendered, TemplateError> {
    let source = fs::read_to_string(path).expect("a source");
    let setup: Setup = match fs::read(path.with_extension("json")) {
        Ok(text) => serde_json::from_slice(&text).expect("a set-up"),
        Err(_) => Setup::default(),
    };
    let answers: BTreeMap<Dependency, Arc<serde_json::Value>> = setup
        .answers
        .into_iter()
        .map(|known| {
            let asked =
                if known.list { Dependency::list(known.path) } else { Dependency::with(known.path, known.params) };
            (asked, Arc::new(known.answer))
        })
        .collect();
    Template::from_source("t", &source, &setup.left, &setup.right)?.render_within(&setup.env, &answers, &setup.vars)
}

#[test]
fn good_templates_render_as_gos_own_engine_renders_them() {
    let mut wrong = Vec::new();
    for path in sources("good") {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let expected = fs::read(path.with_extension("out")).expect("a recorded output");
        match render(&path) {
            Ok(rendered) if !rendered.missing.is_empty() => {
                wrong.push(format!("{name}: misses {:?}", rendered.missing))
            }
            Ok(rendered) if rendered.text.expose() == expected => {}
            Ok(rendered) => wrong.push(format!(
                "{name}:\n  ours {}\n  go's {}",
                rendered.text.expose().escape_ascii(),
                expected.escape_ascii()
            )),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sources("good").len() >= 120);
}

#[test]
fn bad_templates_are_refused_with_place_and_reason() {
    let record = std::env::var_os("RECORD_TEMPLATE_ERRORS").is_some();
    let mut wrong = Vec::new();
    for path in sources("bad") {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let Err(error) = render(&path) else {
            wrong.push(format!("{name}: renders"));
            continue;
        };
        let ours = format!("{error}\n");
        if record {
            fs::write(path.with_extension("err"), &ours).expect("write the sentence");
        }
        let expected = fs::read_to_string(path.with_extension("err")).unwrap_or_default();
        if ours != expected {
            wrong.push(format!("{name}:\n  now    {ours}  before {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sources("bad").len() >= 25);
}
