//! The operator's `config` block.

use std::{error::Error, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    fields::{Fields, Flaws, quoted},
    images::images,
    metrics::metrics,
    network::network,
    policy::policy,
    server::{clusters, default_server},
};
use crate::{
    audit, container,
    domain::ServerPath,
    driver::{Class, DeliverySettings, DriverError, RefreshSettings, Settings},
    identity, journal, tmpfs,
};

pub(super) const MEBIBYTE: i64 = 1 << 20;
/// Shortest wait that is no busy loop.
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Reads the operator's `config`; empty bytes are all defaults. Reads the files it names, and touches nothing else.
///
/// # Errors
/// Names every field that is wrong.
pub fn settings(bytes: &[u8]) -> Result<Settings, DriverError> {
    let flaws = Flaws::default();
    let mut fields = Fields::read(bytes, &flaws);
    let (tmpfs, delivery) = delivery(&mut fields);
    let server = default_server(&mut fields);
    let settings = Settings {
        container: policy(&mut fields),
        images: images(&mut fields),
        identity: identity(&mut fields),
        rules: rules(&mut fields),
        vault: server.vault,
        auth: server.auth,
        pki: server.pki,
        clusters: clusters(&mut fields),
        tmpfs,
        delivery,
        journal: journal(&mut fields),
        audit: audit(&mut fields),
        network: network(&mut fields),
        refresh: refresh(&mut fields),
        metrics: metrics(&mut fields),
    };
    fields.finish();
    let settings = keeping_own_directories(settings);
    flaws.check(settings).map_err(|text| DriverError::new(Class::ConfigInvalid, text))
}

/// No job gets at the driver's own directories, whatever of the host the operator opens.
fn keeping_own_directories(settings: Settings) -> Settings {
    let mut private = vec![settings.tmpfs.runtime_dir.clone(), settings.journal.state_dir.clone()];
    private.extend(settings.audit.file.clone());
    let logins = settings.clusters.values().map(|cluster| &cluster.auth).chain([&settings.auth]);
    private.extend(logins.flat_map(|login| login.method.files()).cloned());
    Settings { container: container::Policy { private_paths: private, ..settings.container }, ..settings }
}

fn identity(fields: &mut Fields<'_>) -> identity::Settings {
    let default = identity::Settings::default();
    let mut block = fields.block_or_empty("identity");
    let settings = identity::Settings {
        trust_domain: block.text("trust_domain").unwrap_or(default.trust_domain),
        spiffe_path: block.text("spiffe_path").unwrap_or(default.spiffe_path),
        dns_name: block.text("dns_name").unwrap_or(default.dns_name),
        role: block.text("role").unwrap_or(default.role),
    };
    for flaw in settings.flaws() {
        block.flaw("", flaw);
    }
    block.finish();
    settings
}

fn rules(fields: &mut Fields<'_>) -> identity::Rules {
    let rules: Vec<_> = fields.blocks("allow").into_iter().map(rule).collect();
    match identity::Rules::load(&rules) {
        Ok(rules) => rules,
        Err(error) => {
            error.flaws.iter().for_each(|flaw| fields.flaw("", flaw));
            identity::Rules::default()
        }
    }
}

fn rule(mut block: Fields<'_>) -> identity::Rule {
    let rule = identity::Rule {
        namespace: block.text("namespace").unwrap_or_else(|| "default".to_owned()),
        job: block.text("job").unwrap_or_default(),
        group: block.text("group").unwrap_or_else(|| "*".to_owned()),
        task: block.text("task").unwrap_or_else(|| "*".to_owned()),
        roles: block.texts("roles"),
        paths: block.texts("paths"),
        pki: block.texts("pki"),
        sans: block.texts("sans"),
        principals: block.texts("principals"),
        deliver: block.texts("deliver"),
        max_ttl: block.duration("max_ttl", SECOND..=DAY * 3650),
        clusters: block.texts("clusters"),
        vault_namespaces: block.texts("vault_namespaces"),
        any: block.flag("any").unwrap_or_default(),
    };
    block.finish();
    rule
}

fn delivery(fields: &mut Fields<'_>) -> (tmpfs::Settings, DeliverySettings) {
    let default = tmpfs::Settings::default();
    let runtime_dir = directory(fields, "runtime_dir", default.runtime_dir);
    let mut block = fields.block_or_empty("delivery");
    let settings = tmpfs::Settings {
        runtime_dir,
        size_bytes: block.whole("size_mb", 1..=1024).map_or(default.size_bytes, |mb| (mb * MEBIBYTE).unsigned_abs()),
        require_noswap: block.flag("require_noswap").unwrap_or(default.require_noswap),
    };
    let allow_env = block.flag("allow_env").unwrap_or_default();
    block.finish();
    (settings, DeliverySettings { allow_env })
}

fn journal(fields: &mut Fields<'_>) -> journal::Settings {
    journal::Settings { state_dir: directory(fields, "state_dir", journal::Settings::default().state_dir) }
}

fn audit(fields: &mut Fields<'_>) -> audit::Settings {
    let default = audit::Settings::default();
    let mut block = fields.block_or_empty("audit");
    let file = directory(&mut block, "file", PathBuf::new());
    let settings = audit::Settings {
        file: Some(file).filter(|file| file.is_absolute()),
        enabled: block.flag("enabled").unwrap_or(default.enabled),
        required: block.flag("required").unwrap_or(default.required),
        max_size: block.whole("max_size_mb", 1..=65_536).map_or(default.max_size, |mb| (mb * MEBIBYTE).unsigned_abs()),
        keep: block.whole("keep", 0..=1000).and_then(|keep| usize::try_from(keep).ok()).unwrap_or(default.keep),
    };
    block.finish();
    settings
}

fn refresh(fields: &mut Fields<'_>) -> RefreshSettings {
    let default = RefreshSettings::default();
    let mut block = fields.block_or_empty("refresh");
    let mut span = |name, range: RangeInclusive<Duration>, default| block.duration(name, range).unwrap_or(default);
    let settings = RefreshSettings {
        kv_poll: span("kv_poll", SECOND..=DAY, default.kv_poll),
        quiet: span("quiet", Duration::from_millis(10)..=DAY, default.quiet),
        longest: span("longest", Duration::from_millis(10)..=DAY, default.longest),
        secrets_timeout: span("secrets_timeout", SECOND..=DAY, default.secrets_timeout),
        reap_after: span("reap_after", SECOND..=DAY, default.reap_after),
        stop_timeout: span("stop_timeout", SECOND..=DAY, default.stop_timeout),
        revoke_after: span("revoke_after", Duration::ZERO..=DAY, default.revoke_after),
    };
    if settings.longest < settings.quiet {
        block.flaw("longest", format_args!("{:?} is shorter than quiet, {:?}", settings.longest, settings.quiet));
    }
    block.finish();
    settings
}

/// Reads an absolute path; what a relative one means would depend on where the agent was started.
pub(super) fn directory(fields: &mut Fields<'_>, name: &'static str, default: PathBuf) -> PathBuf {
    match fields.text(name).map(PathBuf::from) {
        None => default,
        Some(path) if path.is_absolute() => path,
        Some(path) => {
            fields.flaw(name, format_args!("{} is no absolute path", quoted(&path.to_string_lossy())));
            default
        }
    }
}

/// Reads where an engine or auth method is mounted.
pub(super) fn mount(block: &mut Fields<'_>, default: String) -> String {
    let mount: Option<ServerPath> = block.parsed("mount");
    mount.map_or(default, |mount| mount.as_str().to_owned())
}

/// Returns an error with its causes, since the agent shows one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
