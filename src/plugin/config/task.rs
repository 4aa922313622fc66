//! A job's `config` block.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::fields::{Fields, Flaws, quoted};
use crate::{
    domain::{
        CertificateRequest, ChangeAction, ContainerOptions, KeyType, RelPath, RelPathError, SecretRequest, Signal,
        TemplateRequest,
    },
    driver::{Class, DriverError},
};

/// Permission bits of a file unless the job says otherwise.
const MODE: u32 = 0o400;
/// Largest template (`faults` limit); a larger one would be refused by the parser only after it was copied about.
const TEMPLATE_MAX: usize = 256 * 1024;
/// Most certificate, secret and template blocks together.
const BLOCKS_MAX: usize = 64;
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(10 * 365 * 86_400);

/// What a job's `config` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskOptions {
    /// For the container.
    pub container: ContainerOptions,
    /// Another login role than the operator's pattern gives.
    pub vault_role: Option<String>,
    /// Secrets by their block.
    pub secrets: Vec<SecretRequest>,
    /// Certificates by their block.
    pub certificates: Vec<CertificateRequest>,
    /// Templates in order.
    pub templates: Vec<TemplateRequest>,
}

/// Reads a job's `config`.
///
/// # Errors
/// Names every field that is wrong. The class tells paths that leave their directory from the rest when all flaws are of that kind.
pub fn task_options(bytes: &[u8]) -> Result<TaskOptions, DriverError> {
    let flaws = Flaws::default();
    let paths = Flaws::default();
    let mut fields = Fields::read(bytes, &flaws);
    let reader = Reader { paths: &paths };
    let options = TaskOptions {
        container: container(&mut fields),
        vault_role: fields.text("vault_role"),
        certificates: reader.certificates(&mut fields),
        secrets: reader.secrets(&mut fields),
        templates: reader.templates(&mut fields),
    };
    let blocks = options.certificates.len() + options.secrets.len() + options.templates.len();
    if blocks > BLOCKS_MAX {
        fields
            .flaw("", format_args!("{blocks} certificate, secret and template blocks; at most {BLOCKS_MAX} are taken"));
    }
    fields.finish();
    match (flaws.check(()), paths.check(())) {
        (Ok(()), Ok(())) => Ok(options),
        (Ok(()), Err(paths)) => Err(DriverError::new(Class::PathRefused, paths)),
        (Err(flaws), Ok(())) => Err(DriverError::new(Class::TaskConfigInvalid, flaws)),
        (Err(flaws), Err(paths)) => Err(DriverError::new(Class::TaskConfigInvalid, format!("{flaws}; {paths}"))),
    }
}

fn container(fields: &mut Fields<'_>) -> ContainerOptions {
    ContainerOptions {
        image: fields.required_text("image"),
        force_pull: fields.flag("force_pull").unwrap_or_default(),
        command: fields.text("command"),
        args: fields.texts("args"),
        entrypoint: fields.maybe_texts("entrypoint"),
        work_dir: fields.text("work_dir"),
        hostname: fields.text("hostname"),
        ports: fields.texts("ports"),
        network_mode: fields.text("network_mode"),
        labels: labels(fields),
        readonly_rootfs: fields.flag("readonly_rootfs"),
        cap_add: fields.texts("cap_add"),
        cap_drop: fields.texts("cap_drop"),
        pids_limit: fields.whole("pids_limit", 1..=4_194_304),
        init: fields.flag("init").unwrap_or_default(),
    }
}

fn labels(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    fields.pairs("labels").into_iter().collect()
}

/// Reads the blocks that ask for files. Paths that are refused are noted apart: they are a class of their own.
struct Reader<'p> {
    paths: &'p Flaws,
}

impl Reader<'_> {
    fn certificates(&self, fields: &mut Fields<'_>) -> Vec<CertificateRequest> {
        fields
            .labelled("certificate")
            .into_iter()
            .filter_map(|(label, block)| self.certificate(&label, block))
            .collect()
    }

    fn certificate(&self, label: &str, mut block: Fields<'_>) -> Option<CertificateRequest> {
        let name = self.name("certificate", label);
        let mount = self.path(&mut block, "certificate", label, "mount");
        let request = CertificateRequest {
            mount,
            role: block.text("role"),
            common_name: block.text("common_name"),
            dns_sans: block.texts("dns_sans"),
            ip_sans: addresses(&mut block),
            ttl: block.duration("ttl", TTL),
            key_type: key_type(&mut block),
            on_change: on_change(&mut block, ChangeAction::Noop),
            name: name?,
        };
        block.finish();
        Some(request)
    }

    fn secrets(&self, fields: &mut Fields<'_>) -> Vec<SecretRequest> {
        fields.labelled("secret").into_iter().filter_map(|(label, block)| self.secret(&label, block)).collect()
    }

    fn secret(&self, label: &str, mut block: Fields<'_>) -> Option<SecretRequest> {
        let name = self.name("secret", label);
        let path = block.required_text("path");
        let path = (!path.is_empty()).then_some(path).and_then(|path| {
            let refused = |error| self.paths.add(&format!("secret {}.path", quoted(label)), error);
            path.parse().map_err(refused).ok()
        });
        let on_change = on_change(&mut block, ChangeAction::Noop);
        block.finish();
        Some(SecretRequest { name: name?, path: path?, on_change })
    }

    fn templates(&self, fields: &mut Fields<'_>) -> Vec<TemplateRequest> {
        let blocks = fields.blocks("template").into_iter().enumerate();
        blocks.filter_map(|(at, block)| self.template(at, block)).collect()
    }

    fn template(&self, at: usize, mut block: Fields<'_>) -> Option<TemplateRequest> {
        let source = block.text("data").unwrap_or_default();
        if source.len() > TEMPLATE_MAX {
            block.flaw("data", format_args!("{} bytes; at most {TEMPLATE_MAX} are taken", source.len()));
        }
        let destination = block.required_text("destination");
        let destination = (!destination.is_empty()).then_some(destination).and_then(|text| {
            let refused = |error: RelPathError| self.paths.add(&format!("template[{at}].destination"), error);
            text.parse().map_err(refused).ok()
        });
        let left_delimiter = block.text("left_delimiter").unwrap_or_else(|| "{{".to_owned());
        let right_delimiter = block.text("right_delimiter").unwrap_or_else(|| "}}".to_owned());
        if left_delimiter == right_delimiter {
            block.flaw("right_delimiter", format_args!("{} is the left one too", quoted(&right_delimiter)));
        }
        let mode = mode(&mut block);
        let on_change = on_change(&mut block, ChangeAction::Restart);
        block.finish();
        Some(TemplateRequest { destination: destination?, source, left_delimiter, right_delimiter, mode, on_change })
    }

    /// A block's label as the name of its folder.
    fn name(&self, block: &str, label: &str) -> Option<RelPath> {
        let refused = |error: RelPathError| self.paths.add(&format!("{block} {}", quoted(label)), error);
        label.parse().map_err(refused).ok()
    }

    fn path<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        fields: &mut Fields<'_>,
        block: &str,
        label: &str,
        name: &'static str,
    ) -> Option<T> {
        let text = fields.text(name)?;
        let refused = |error: T::Err| self.paths.add(&format!("{block} {}.{name}", quoted(label)), error);
        text.parse().map_err(refused).ok()
    }
}

fn addresses(block: &mut Fields<'_>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for (at, text) in block.texts("ip_sans").into_iter().enumerate() {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => block.flaw(&format!("ip_sans[{at}]"), format_args!("{} is no IP address", quoted(&text))),
        }
    }
    addresses
}

fn key_type(block: &mut Fields<'_>) -> KeyType {
    match block.text("key_type").as_deref() {
        None | Some("ec-p256") => KeyType::EcP256,
        Some("ec-p384") => KeyType::EcP384,
        Some("ed25519") => KeyType::Ed25519,
        Some("rsa-2048") => KeyType::Rsa2048,
        Some(other) => {
            let text = format!("{} is unknown; give ec-p256, ec-p384, ed25519 or rsa-2048", quoted(other));
            block.flaw("key_type", text);
            KeyType::default()
        }
    }
}

/// Reads `change_mode` and `change_signal`, which belong together.
fn on_change(block: &mut Fields<'_>, default: ChangeAction) -> ChangeAction {
    let mode = block.text("change_mode");
    let signal: Option<Signal> = block.parsed("change_signal");
    match (mode.as_deref(), signal) {
        (Some("signal"), Some(signal)) => return ChangeAction::Signal(signal),
        (Some("signal"), None) => {
            block.flaw("change_signal", "is missing; change_mode \"signal\" needs a name such as SIGHUP")
        }
        (_, Some(_)) => block.flaw("change_signal", "is given, but change_mode is not \"signal\""),
        (None, None) => return default,
        (Some("noop"), None) => return ChangeAction::Noop,
        (Some("restart"), None) => return ChangeAction::Restart,
        (Some(other), None) => {
            block.flaw("change_mode", format_args!("{} is unknown; give noop, signal or restart", quoted(other)));
        }
    }
    default
}

/// Reads octal permission bits that keep a secret from everybody else.
fn mode(block: &mut Fields<'_>) -> u32 {
    let Some(text) = block.text("perms") else { return MODE };
    let octal = text.chars().all(|c| c.is_digit(8)) && (3..=4).contains(&text.len());
    let bits = octal.then(|| u32::from_str_radix(&text, 8).ok()).flatten();
    match bits {
        None => block.flaw("perms", format_args!("{} is no octal mode such as \"0400\"", quoted(&text))),
        Some(bits) if bits & 0o7000 != 0 => {
            block.flaw("perms", format_args!("{} sets an id or sticky bit", quoted(&text)))
        }
        Some(bits) if bits & 0o007 != 0 => {
            block.flaw("perms", format_args!("{} opens a secret to everybody; give at most 0770", quoted(&text)));
        }
        Some(bits) => return bits,
    }
    MODE
}
