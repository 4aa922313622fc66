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
    owners::Owners,
    plan::{CertificatePlan, MANIFEST, Plan},
};

mod secret;
mod variables;

pub(super) use variables::VARIABLES;

use crate::{
    domain::{FileSet, Generation, OnLoss, OnOutage, OutputFile, RelPath, SecretBytes, Upkeep},
    pki::{PkiError, Terms},
    template::{Answers, Dependency},
};
pub(super) use secret::fields;

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
    /// The outputs that are left out because something is lost, and what else that calls for.
    pub lost: BTreeMap<RelPath, OnLoss>,
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
    let mut lost = BTreeMap::new();
    let mut used: BTreeSet<Dependency> = plan.secrets.iter().map(|(_, dependency)| dependency.clone()).collect();
    let mut missing: BTreeSet<Dependency> =
        used.iter().filter(|wanted| !holdings.answers.contains_key(*wanted)).cloned().collect();

    for (request, template) in &plan.templates {
        let rendered = plan.render(template, &Fetched(&holdings.answers))?;
        // Writes wait until every read that a template needs is known.
        missing.extend(rendered.due());
        let has_lapsed = rendered.used.iter().any(|dependency| holdings.lapsed.answers.contains(dependency));
        let on_loss = holdings.on_loss(&rendered.used, |loss| request.upkeep.losses.of(loss, false));
        used.extend(rendered.used);
        if on_loss != OnLoss::Keep {
            lost.insert(request.destination.clone(), on_loss);
        } else if !(has_lapsed && degrades(&request.upkeep)) {
            files.files.insert(request.destination.clone(), OutputFile::new(rendered.text, request.mode));
        }
    }
    if !missing.is_empty() {
        return Ok(Outcome::Missing(missing));
    }
    for (request, dependency) in &plan.secrets {
        let on_loss = holdings.on_loss([dependency], |loss| request.on_loss(loss));
        if on_loss != OnLoss::Keep {
            lost.insert(request.output().clone(), on_loss);
        }
        if !(holdings.lapsed.answers.contains(dependency) && degrades(&request.upkeep)) {
            secret::add(&mut files, request, holdings.answers.get(dependency))?;
        }
    }
    for certificate in &plan.certificates {
        // Only a block that says so has its name there.
        if !holdings.lapsed.certificates.contains(&certificate.request.name) {
            add_certificate(&mut files, certificate, holdings)?;
        }
    }
    variables::add(&mut files, plan, holdings)?;
    Ok(Outcome::Whole(Rendered { files, used, lost }))
}

fn add_certificate(files: &mut FileSet, plan: &CertificatePlan, holdings: &Holdings) -> Result<(), DriverError> {
    let name = &plan.request.name;
    let Some(held) = holdings.certificates.get(name) else { return Ok(()) };
    let trusted = match holdings.trust.get(&plan.mount) {
        Some(trust) => trust.pem(held),
        None => held.ca_pem.clone(),
    };
    let password = holdings.store_password.clone().unwrap_or_default();
    let alias = name.as_str().rsplit('/').next().unwrap_or_default();
    let terms = Terms { alias, formats: &plan.request.formats, password: &password, trusted: &trusted };
    let written = held.files(&terms);
    for (file, contents) in written.map_err(|source| certificate_error(name, &source))? {
        insert(files, name, file, contents)?;
    }
    Ok(())
}

fn certificate_error(name: &RelPath, source: &PkiError) -> DriverError {
    DriverError::new(Class::Internal, format!("certificate {name:?}: {source}"))
}

/// Says whether the block's files go when what they are made of has ended.
fn degrades(upkeep: &Upkeep) -> bool {
    upkeep.on_outage == OnOutage::Degrade
}

/// Returns how the blocks are kept up that are made of `dependency`.
pub(super) fn users<'p>(plan: &'p Plan, holdings: &Holdings, dependency: &Dependency) -> Vec<&'p Upkeep> {
    let secrets = plan.secrets.iter().filter(|(_, wanted)| wanted == dependency).map(|(request, _)| &request.upkeep);
    let templates = plan.templates.iter().filter(|(_, template)| {
        let rendered = plan.render(template, &Fetched(&holdings.answers));
        rendered.is_ok_and(|rendered| rendered.used.contains(dependency))
    });
    secrets.chain(templates.map(|(request, _)| &request.upkeep)).collect()
}

/// Adds `folder/name`.
fn insert(files: &mut FileSet, folder: &RelPath, name: &str, contents: SecretBytes) -> Result<(), DriverError> {
    let refused = |why: String| DriverError::new(Class::PathRefused, format!("{folder:?}: {why}"));
    let path = folder.join(name).map_err(|source| refused(source.to_string()))?;
    files.files.insert(path, OutputFile::new(contents, MODE));
    Ok(())
}

/// Gives each file the owner and permission bits that its block asks for.
pub(super) fn give_owners(files: &mut FileSet, plan: &Plan, owners: &Owners) {
    for (path, file) in &mut files.files {
        let Some((access, _)) = plan.block_of(path) else { continue };
        file.mode = access.mode.unwrap_or(file.mode);
        file.owner = owners.of(access);
    }
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
        files.files.insert(path, OutputFile::new(contents, MODE));
    }
}
