//! A job's `config` block.

use std::{net::IpAddr, time::Duration};

use super::{
    access::{MODE, access},
    container::container,
    fields::{Fields, Flaws, quoted},
    upkeep::{upkeep, upkeep_of_secret, variables_need_a_restart},
};
use crate::{
    domain::{
        CertificateFormat, CertificateRequest, ChangeAction, ContainerOptions, KeyType, RelPath, RelPathError,
        SecretRequest, ServerName, TemplateRequest, pem_only,
    },
    driver::{Class, DriverError},
    vault,
};

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
    /// Another secrets server than the operator's default one.
    pub server: ServerName,
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
        server: server(&mut fields),
        certificates: reader.certificates(&mut fields),
        secrets: reader.all_secrets(&mut fields),
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

/// Reads which secrets server is asked. Whether it exists and may be asked is the operator's to say.
fn server(fields: &mut Fields<'_>) -> ServerName {
    let cluster = fields.text("vault_cluster");
    let namespace = fields.text("vault_namespace");
    if namespace.as_ref().is_some_and(|name| !vault::is_namespace(name)) {
        fields.flaw("vault_namespace", "is empty or has a character other than letters, digits and \"-_/.\"");
    }
    ServerName { cluster, namespace }
}

/// Reads the blocks that ask for files. Paths that are refused are noted apart: they are a class of their own.
pub(super) struct Reader<'p> {
    pub(super) paths: &'p Flaws,
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
        let issue = block.flag("issue").unwrap_or_default();
        let key_type = key_type(&mut block);
        let request = CertificateRequest {
            mount,
            role: block.text("role"),
            common_name: block.text("common_name"),
            dns_sans: block.texts("dns_sans"),
            ip_sans: addresses(&mut block),
            ttl: block.duration("ttl", TTL),
            key_type: key_type.unwrap_or_default(),
            names_key_type: key_type.is_some(),
            issue,
            revoke: block.flag("revoke").unwrap_or_default(),
            formats: formats(&mut block),
            access: access(&mut block),
            upkeep: upkeep(&mut block, ChangeAction::Noop),
            name: name?,
        };
        block.finish();
        Some(request)
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
        let access = access(&mut block);
        let env = block.flag("env").unwrap_or_default();
        let upkeep = upkeep_of_secret(&mut block, ChangeAction::Restart);
        if env {
            variables_need_a_restart(&mut block, &upkeep);
        }
        block.finish();
        Some(TemplateRequest {
            destination: destination?,
            source,
            left_delimiter,
            right_delimiter,
            mode: access.mode.unwrap_or(MODE),
            env,
            access,
            upkeep,
        })
    }

    /// A block's label as the name of its folder.
    pub(super) fn name(&self, block: &str, label: &str) -> Option<RelPath> {
        let refused = |error: RelPathError| self.paths.add(&format!("{block} {}", quoted(label)), error);
        label.parse().map_err(refused).ok()
    }

    pub(super) fn path<T: std::str::FromStr<Err: std::fmt::Display>>(
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

/// Reads what to write a certificate as; PEM where nothing is said.
fn formats(block: &mut Fields<'_>) -> Vec<CertificateFormat> {
    let mut formats = Vec::new();
    for (at, text) in block.texts("formats").into_iter().enumerate() {
        match text.as_str() {
            "jks" => formats.push(CertificateFormat::Jks),
            "pem" => formats.push(CertificateFormat::Pem),
            "pkcs12" => formats.push(CertificateFormat::Pkcs12),
            other => block
                .flaw(&format!("formats[{at}]"), format_args!("{} is unknown; give pem, pkcs12 or jks", quoted(other))),
        }
    }
    if formats.is_empty() { pem_only() } else { formats }
}

fn key_type(block: &mut Fields<'_>) -> Option<KeyType> {
    let text = block.text("key_type")?;
    let kind = KeyType::ALL.into_iter().find(|kind| kind.name() == text);
    if kind.is_none() {
        let known = "give ec-p256, ec-p384, ed25519, rsa-2048, rsa-3072 or rsa-4096";
        block.flaw("key_type", format_args!("{} is unknown; {known}", quoted(&text)));
    }
    kind
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn certificate(block: Value) -> Result<CertificateRequest, String> {
        let config = json!({"image": "busybox", "certificate": {"web": block}});
        let bytes = rmp_serde::to_vec_named(&config).expect("msgpack");
        let options = task_options(&bytes).map_err(|error| error.to_string())?;
        Ok(options.certificates.into_iter().next().expect("one certificate"))
    }

    #[test]
    fn a_certificate_is_pem_with_a_key_of_our_own_unless_the_job_says_otherwise() {
        let plain = certificate(json!({})).expect("a certificate");
        assert_eq!((plain.formats, plain.issue), (vec![CertificateFormat::Pem], false));
        let asked = certificate(json!({"formats": ["jks", "pkcs12"], "issue": true})).expect("a certificate");
        assert_eq!((asked.formats, asked.issue), (vec![CertificateFormat::Jks, CertificateFormat::Pkcs12], true));
    }

    #[test]
    fn wrong_formats_and_keys_are_named() {
        let error = certificate(json!({"formats": ["pem", "der"]})).expect_err("refused");
        assert!(error.contains("formats[1]") && error.contains("pem, pkcs12 or jks"), "{error}");
        let error = certificate(json!({"key_type": "rsa-1024"})).expect_err("refused");
        assert!(error.contains("key_type") && error.contains("rsa-4096"), "{error}");
    }

    #[test]
    fn a_kind_of_key_may_be_named_whoever_makes_it() {
        for kind in KeyType::ALL {
            let asked = certificate(json!({"key_type": kind.name(), "issue": true})).expect("a certificate");
            assert_eq!((asked.key_type, asked.names_key_type), (kind, true));
        }
        assert!(!certificate(json!({"issue": true})).expect("a certificate").names_key_type);
    }
}
