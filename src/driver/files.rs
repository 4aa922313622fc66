//! Makes a whole set of files out of what a task holds.
//!
//! Pure: holdings in, files out. It does not fetch; it says what is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Class, DriverError,
    holdings::{Answer, Holdings},
    plan::{MANIFEST, Plan},
};
use crate::{
    domain::{ChangeAction, FileSet, Generation, OutputFile, RelPath, SecretBytes},
    template::{Answers, Dependency},
};

/// Permission bits of a file whose job says nothing: its owner may read it.
const MODE: u32 = 0o400;

/// What rendering gave: the files, or what must be fetched first.
pub(super) enum Outcome {
    /// The whole set, without the manifest.
    Whole(Rendered),
    /// Nothing yet: these answers are missing.
    Missing(BTreeSet<Dependency>),
}

/// A whole set of files and what they were made from.
pub(super) struct Rendered {
    /// The files, without the manifest.
    pub files: FileSet,
    /// The answers that were used; others need not be kept fresh.
    pub used: BTreeSet<Dependency>,
}

/// Answers already fetched, as templates see them.
struct Fetched<'a>(&'a BTreeMap<Dependency, Answer>);

impl Answers for Fetched<'_> {
    fn get(&self, dependency: &Dependency) -> Option<Arc<Value>> {
        self.0.get(dependency).map(|answer| Arc::clone(&answer.value))
    }
}

/// Renders every output of `plan` from `holdings`.
///
/// # Errors
/// A template that fails, or a secret whose fields cannot become files.
pub(super) fn render(plan: &Plan, holdings: &Holdings) -> Result<Outcome, DriverError> {
    let mut files = FileSet::default();
    let mut used: BTreeSet<Dependency> = plan.secrets.iter().map(|(_, dependency)| dependency.clone()).collect();
    let mut missing: BTreeSet<Dependency> =
        used.iter().filter(|wanted| !holdings.answers.contains_key(*wanted)).cloned().collect();

    for (request, template) in &plan.templates {
        let rendered = template.render(&Fetched(&holdings.answers), &plan.identity.names)?;
        // Writes wait until every read that a template needs is known.
        missing.extend(rendered.due());
        used.extend(rendered.used);
        files.files.insert(request.destination.clone(), OutputFile { contents: rendered.text, mode: request.mode });
    }
    if !missing.is_empty() {
        return Ok(Outcome::Missing(missing));
    }
    for (request, dependency) in &plan.secrets {
        let answer = holdings.answers.get(dependency).map(|answer| fields(&answer.value)).unwrap_or_default();
        add_fields(&mut files, &request.name, answer)?;
    }
    for (name, certificate) in &holdings.certificates {
        for (file, contents) in certificate.clone().into_files() {
            insert(&mut files, name, file, contents)?;
        }
    }
    Ok(Outcome::Whole(Rendered { files, used }))
}

/// Returns the fields of an answer: of KV version 2 the inner `data`, otherwise `data` itself.
pub(super) fn fields(answer: &Value) -> serde_json::Map<String, Value> {
    let data = &answer["data"];
    let inner = if is_versioned(data) { &data["data"] } else { data };
    inner.as_object().cloned().unwrap_or_default()
}

/// Tells KV version 2 by its shape: exactly `data` and `metadata`, and a version in the latter.
pub(super) fn is_versioned(data: &Value) -> bool {
    data.as_object().is_some_and(|map| map.len() == 2 && map.contains_key("data"))
        && data["metadata"]["version"].is_number()
}

fn add_fields(files: &mut FileSet, name: &RelPath, fields: serde_json::Map<String, Value>) -> Result<(), DriverError> {
    for (field, value) in fields {
        let contents = match value {
            Value::String(text) => SecretBytes::new(text),
            Value::Null => SecretBytes::default(),
            other => SecretBytes::new(other.to_string()),
        };
        insert(files, name, &field, contents)?;
    }
    Ok(())
}

fn insert(files: &mut FileSet, folder: &RelPath, name: &str, contents: SecretBytes) -> Result<(), DriverError> {
    let refused = |why: String| {
        DriverError::new(Class::PathRefused, format!("secret {folder:?}: a field cannot become a file: {why}"))
    };
    if name.contains('/') {
        return Err(refused(format!(
            "its name {:?} has a slash; use a template for it",
            name.chars().take(80).collect::<String>()
        )));
    }
    let path = folder.join(name).map_err(|source| refused(source.to_string()))?;
    files.files.insert(path, OutputFile { contents, mode: MODE });
    Ok(())
}

/// Returns the SHA-256 of each file as hexadecimal text.
pub(super) fn fingerprints(files: &FileSet) -> BTreeMap<RelPath, String> {
    files.files.iter().map(|(path, file)| (path.clone(), hex::encode(Sha256::digest(file.contents.expose())))).collect()
}

/// Adds `manifest.json`: generation, time, earliest end and fingerprints; no values.
pub(super) fn add_manifest(
    files: &mut FileSet,
    generation: Generation,
    holdings: &Holdings,
    fingerprints: &BTreeMap<RelPath, String>,
) {
    let rfc3339 = |at: SystemTime| OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default();
    let certificates: BTreeMap<&str, Value> = holdings
        .certificates
        .iter()
        .map(|(name, held)| (name.as_str(), json!({ "serial": held.serial, "not_after": rfc3339(held.not_after) })))
        .collect();
    let manifest = json!({
        "generation": generation.0,
        "written_at": rfc3339(SystemTime::now()),
        "expires_at": holdings.earliest_end().map(rfc3339),
        "certificates": certificates,
        "files": fingerprints.iter().map(|(path, print)| (path.as_str(), format!("sha256:{print}"))).collect::<BTreeMap<_, _>>(),
    });
    if let Ok(path) = MANIFEST.parse() {
        let contents = SecretBytes::new(format!("{manifest:#}\n"));
        files.files.insert(path, OutputFile { contents, mode: MODE });
    }
}

/// Returns the actions that the difference between two generations calls for, restart alone where one is called for.
pub(super) fn actions(
    plan: &Plan,
    old: &BTreeMap<RelPath, String>,
    new: &BTreeMap<RelPath, String>,
) -> Vec<ChangeAction> {
    let changed = |path: &RelPath| old.get(path) != new.get(path);
    let paths: BTreeSet<&RelPath> = old.keys().chain(new.keys()).filter(|path| changed(path)).collect();
    let mut actions: Vec<ChangeAction> = Vec::new();
    for action in paths.into_iter().filter_map(|path| action_of(plan, path)) {
        if action != ChangeAction::Noop && !actions.contains(&action) {
            actions.push(action);
        }
    }
    if actions.contains(&ChangeAction::Restart) {
        return vec![ChangeAction::Restart];
    }
    actions
}

/// Finds the block that made `path`, and what it wants done.
fn action_of(plan: &Plan, path: &RelPath) -> Option<ChangeAction> {
    let secret = plan.secrets.iter().map(|(request, _)| (&request.name, request.on_change));
    let certificate = plan.certificates.iter().map(|plan| (&plan.request.name, plan.request.on_change));
    let template = plan.templates.iter().map(|(request, _)| (&request.destination, request.on_change));
    secret.chain(certificate).chain(template).find(|(name, _)| name.overlaps(path)).map(|(_, action)| action)
}
