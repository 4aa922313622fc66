//! The operator's `config` block.

use std::{error::Error, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::fields::{Fields, Flaws, quoted};
use crate::{
    container,
    domain::ServerPath,
    driver::{AuthMethod, AuthSettings, Class, DriverError, PkiSettings, RefreshSettings, Settings},
    identity, journal, tmpfs,
    vault::{self, NodeKey},
};

const MEBIBYTE: i64 = 1 << 20;
/// Shortest wait that is no busy loop.
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
/// Where `node-key` writes unless told otherwise.
const KEY_FILE: &str = "/etc/strongbox/node.key";

/// Reads the operator's `config`; empty bytes are all defaults. Reads the files it names, and touches nothing else.
///
/// # Errors
/// Names every field that is wrong.
pub fn settings(bytes: &[u8]) -> Result<Settings, DriverError> {
    let flaws = Flaws::default();
    let mut fields = Fields::read(bytes, &flaws);
    let settings = Settings {
        container: container(&mut fields),
        identity: identity(&mut fields),
        rules: rules(&mut fields),
        vault: vault(&mut fields),
        auth: auth(&mut fields),
        pki: pki(&mut fields),
        tmpfs: tmpfs(&mut fields),
        journal: journal(&mut fields),
        refresh: refresh(&mut fields),
    };
    fields.finish();
    flaws.check(settings).map_err(|text| DriverError::new(Class::ConfigInvalid, text))
}

fn container(fields: &mut Fields<'_>) -> container::Policy {
    let default = container::Policy::default();
    let mut engine = fields.block_or_empty("engine");
    let socket = directory(&mut engine, "socket", default.socket);
    engine.finish();
    let mut block = fields.block_or_empty("container");
    let policy = container::Policy {
        socket,
        allow_caps: block.maybe_texts("allow_caps").unwrap_or(default.allow_caps),
        allow_network_modes: block.maybe_texts("allow_network_modes").unwrap_or(default.allow_network_modes),
        allow_host_network: block.flag("allow_host_network").unwrap_or(default.allow_host_network),
        allow_new_privileges: block.flag("allow_new_privileges").unwrap_or(default.allow_new_privileges),
        allow_token_env: block.flag("allow_token_env").unwrap_or(default.allow_token_env),
        readonly_rootfs: block.flag("readonly_rootfs").unwrap_or(default.readonly_rootfs),
        allow_writable_rootfs: block.flag("allow_writable_rootfs").unwrap_or(default.allow_writable_rootfs),
        tmp_size: block.whole("tmp_size_mb", 1..=1 << 20).map_or(default.tmp_size, |mb| (mb * MEBIBYTE).unsigned_abs()),
        pids_limit: block.whole("pids_limit", 1..=4_194_304).unwrap_or(default.pids_limit),
        memory_limit: block.whole("memory_limit_mb", 4..=1 << 30).map(|mb| mb * MEBIBYTE).or(default.memory_limit),
    };
    block.finish();
    policy
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
        any: block.flag("any").unwrap_or_default(),
    };
    block.finish();
    rule
}

fn vault(fields: &mut Fields<'_>) -> Option<vault::Settings> {
    let mut block = fields.block("vault")?;
    let default = vault::Settings::default();
    let limit = Duration::from_millis(1)..=Duration::from_secs(600);
    let settings = vault::Settings {
        address: block.required_text("address"),
        ca_file: block.text("ca_file").map(PathBuf::from),
        tls_server_name: block.text("tls_server_name"),
        namespace: block.text("namespace"),
        allow_plain_http: block.flag("allow_plain_http").unwrap_or(default.allow_plain_http),
        connect_timeout: block.duration("connect_timeout", limit.clone()).unwrap_or(default.connect_timeout),
        request_timeout: block.duration("request_timeout", limit.clone()).unwrap_or(default.request_timeout),
        issue_timeout: block.duration("issue_timeout", limit).unwrap_or(default.issue_timeout),
        max_in_flight: block
            .whole("max_in_flight", 1..=1024)
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(default.max_in_flight),
    };
    if !settings.address.is_empty()
        && let Err(error) = settings.check()
    {
        block.flaw("", chain(&error));
    }
    block.finish();
    Some(settings)
}

fn auth(fields: &mut Fields<'_>) -> AuthSettings {
    let default = AuthSettings::default();
    let mut block = fields.block_or_empty("auth");
    let mount = mount(&mut block, default.mount);
    let method = match block.text("method").as_deref() {
        None | Some("nomad") => by_nomad(&mut block),
        Some("driver") => by_driver(&mut block),
        Some(other) => {
            block.flaw("method", format_args!("{} is unknown; give \"nomad\" or \"driver\"", quoted(other)));
            default.method
        }
    };
    block.finish();
    AuthSettings { mount, method }
}

fn by_nomad(block: &mut Fields<'_>) -> AuthMethod {
    for name in ["audience", "issuer", "key_file"] {
        if block.text(name).is_some() {
            block.flaw(name, "is for method \"driver\" only");
        }
    }
    AuthMethod::Nomad { identity: block.text("identity").unwrap_or_else(|| "vault_default".to_owned()) }
}

fn by_driver(block: &mut Fields<'_>) -> AuthMethod {
    if block.text("identity").is_some() {
        block.flaw("identity", "is for method \"nomad\" only");
    }
    let key_file = directory(block, "key_file", PathBuf::from(KEY_FILE));
    if let Err(error) = NodeKey::load(&key_file) {
        block.flaw("key_file", chain(&error));
    }
    AuthMethod::Driver {
        key_file,
        issuer: block.text("issuer").unwrap_or_else(|| "strongbox".to_owned()),
        audience: block.text("audience").unwrap_or_else(|| "vault.io".to_owned()),
    }
}

fn pki(fields: &mut Fields<'_>) -> PkiSettings {
    let default = PkiSettings::default();
    let mut block = fields.block_or_empty("pki");
    let settings = PkiSettings {
        mount: mount(&mut block, default.mount),
        role: block.text("role").unwrap_or(default.role),
        ttl: block.duration("ttl", Duration::from_secs(60)..=DAY * 3650).unwrap_or(default.ttl),
    };
    block.finish();
    settings
}

fn tmpfs(fields: &mut Fields<'_>) -> tmpfs::Settings {
    let default = tmpfs::Settings::default();
    let runtime_dir = directory(fields, "runtime_dir", default.runtime_dir);
    let mut block = fields.block_or_empty("delivery");
    let settings = tmpfs::Settings {
        runtime_dir,
        size_bytes: block.whole("size_mb", 1..=1024).map_or(default.size_bytes, |mb| (mb * MEBIBYTE).unsigned_abs()),
        require_noswap: block.flag("require_noswap").unwrap_or(default.require_noswap),
    };
    block.finish();
    settings
}

fn journal(fields: &mut Fields<'_>) -> journal::Settings {
    journal::Settings { state_dir: directory(fields, "state_dir", journal::Settings::default().state_dir) }
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
    };
    if settings.longest < settings.quiet {
        block.flaw("longest", format_args!("{:?} is shorter than quiet, {:?}", settings.longest, settings.quiet));
    }
    block.finish();
    settings
}

/// Reads an absolute path; what a relative one means would depend on where the agent was started.
fn directory(fields: &mut Fields<'_>, name: &'static str, default: PathBuf) -> PathBuf {
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
fn mount(block: &mut Fields<'_>, default: String) -> String {
    let mount: Option<ServerPath> = block.parsed("mount");
    mount.map_or(default, |mount| mount.as_str().to_owned())
}

/// Returns an error with its causes, since the agent shows one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
