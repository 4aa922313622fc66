//! The operator's secrets servers: the blocks `vault`, `auth` and `pki`, and the same three in each `cluster`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    fields::{Fields, quoted},
    plugin::{DAY, SECOND, chain, directory, mount},
};
use crate::{
    domain::ServerName,
    driver::{AuthMethod, AuthSettings, ChildSettings, ClusterSettings, PkiSettings},
    identity,
    vault::{self, ClientCert, NodeKey},
};

/// Where `node-key` writes unless told otherwise.
const KEY_FILE: &str = "/etc/strongbox/node.key";
/// The methods' names.
const KNOWN: [&str; 5] = ["nomad", "driver", "approle", "cert", "token"];
/// Which field belongs to which method.
const FIELDS: [(&str, &str); 11] = [
    ("audience", "driver"),
    ("client_cert_file", "cert"),
    ("client_key_file", "cert"),
    ("identity", "nomad"),
    ("issuer", "driver"),
    ("key_file", "driver"),
    ("role", "cert"),
    ("role_id", "approle"),
    ("secret_id_file", "approle"),
    ("token_file", "token"),
    ("wrapped_secret_id_file", "approle"),
];

/// The default cluster.
pub(super) struct DefaultServer {
    pub(super) vault: Option<vault::Settings>,
    pub(super) auth: AuthSettings,
    pub(super) pki: PkiSettings,
}

/// Reads the blocks of the default cluster.
pub(super) fn default_server(fields: &mut Fields<'_>) -> DefaultServer {
    let auth = auth(fields);
    let cert = client_cert(&auth);
    let vault = fields.block("vault").map(|mut block| {
        let settings = vault(&mut block, cert);
        block.finish();
        settings
    });
    DefaultServer { vault, auth, pki: pki(fields) }
}

/// Reads the further clusters.
pub(super) fn clusters(fields: &mut Fields<'_>) -> BTreeMap<String, ClusterSettings> {
    let mut clusters = BTreeMap::new();
    for (name, mut block) in fields.labelled("cluster") {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name == ServerName::DEFAULT || name.is_empty() || name.len() > 63 || !name.chars().all(good) {
            block.flaw("", "needs another name: letters, digits and \"-_.\", and \"default\" is the vault block's");
        }
        let auth = auth(&mut block);
        let vault = vault(&mut block, client_cert(&auth));
        let pki = pki(&mut block);
        block.finish();
        clusters.insert(name, ClusterSettings { vault, auth, pki });
    }
    clusters
}

fn client_cert(auth: &AuthSettings) -> Option<ClientCert> {
    match &auth.method {
        AuthMethod::Cert { files, .. } => Some(files.clone()),
        _ => None,
    }
}

fn vault(block: &mut Fields<'_>, client_cert: Option<ClientCert>) -> vault::Settings {
    let default = vault::Settings::default();
    let limit = Duration::from_millis(1)..=Duration::from_secs(600);
    let (address, other_addresses) = addresses(block);
    let settings = vault::Settings {
        address,
        other_addresses,
        client_cert,
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
        max_rate: block
            .whole("max_rate", 1..=10_000)
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or(default.max_rate),
    };
    if !settings.address.is_empty()
        && let Err(error) = settings.check()
    {
        block.flaw("", chain(&error));
    }
    settings
}

/// Reads where the servers are: `address` for one, `addresses` for all of a cluster.
fn addresses(block: &mut Fields<'_>) -> (String, Vec<String>) {
    let (one, mut all) = (block.text("address"), block.texts("addresses"));
    match (one, all.is_empty()) {
        (Some(one), true) => (one, Vec::new()),
        (None, false) => (all.remove(0), all),
        (Some(_), false) => {
            block.flaw("addresses", "is given beside address; give one of them");
            Default::default()
        }
        (None, true) => {
            block.flaw("address", "is missing; give address, or addresses for all servers of a cluster");
            Default::default()
        }
    }
}

fn auth(fields: &mut Fields<'_>) -> AuthSettings {
    let mut block = fields.block_or_empty("auth");
    let name = block.text("method").unwrap_or_else(|| "nomad".to_owned());
    let mount_of = |default: &str| default.to_owned();
    let (method, mount_default) = match name.as_str() {
        "approle" => (by_approle(&mut block), mount_of("approle")),
        "cert" => (by_cert(&mut block), mount_of("cert")),
        "driver" => (by_driver(&mut block), mount_of("jwt-nomad")),
        "nomad" => (by_nomad(&mut block), mount_of("jwt-nomad")),
        "token" => (by_token(&mut block), mount_of("token")),
        other => {
            FIELDS.iter().for_each(|(field, _)| drop(block.text(field)));
            block.flaw("method", format_args!("{} is unknown; give \"{}\"", quoted(other), KNOWN.join("\" or \"")));
            (AuthSettings::default().method, mount_of("jwt-nomad"))
        }
    };
    // A method that is unknown leaves everything unread.
    if KNOWN.contains(&name.as_str()) {
        refuse_foreign(&mut block);
    }
    let child = child(&mut block);
    if child != ChildSettings::default() && matches!(name.as_str(), "nomad" | "driver") {
        block.flaw("token_role", "and the other token_ settings are for methods \"approle\", \"cert\" and \"token\"");
    }
    let settings = AuthSettings { mount: mount(&mut block, mount_default), method, child };
    block.finish();
    settings
}

/// Refuses what belongs to another method, which has been left unread: it would be a wish that nobody fulfils.
fn refuse_foreign(block: &mut Fields<'_>) {
    for (field, method) in FIELDS {
        if block.present(field) {
            block.flaw(field, format_args!("is for method \"{method}\" only"));
        }
    }
}

fn by_nomad(block: &mut Fields<'_>) -> AuthMethod {
    AuthMethod::Nomad { identity: block.text("identity").unwrap_or_else(|| "vault_default".to_owned()) }
}

fn by_driver(block: &mut Fields<'_>) -> AuthMethod {
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

fn by_approle(block: &mut Fields<'_>) -> AuthMethod {
    let role_id = block.required_text("role_id");
    let (plain, wrapping) = (block.text("secret_id_file"), block.text("wrapped_secret_id_file"));
    let wrapped = wrapping.is_some();
    let (name, file) = match (plain, wrapping) {
        (Some(file), None) => ("secret_id_file", file),
        (None, Some(file)) => ("wrapped_secret_id_file", file),
        _ => {
            block.flaw("secret_id_file", "or wrapped_secret_id_file: give one of them");
            return AuthMethod::AppRole { role_id, file: PathBuf::new(), wrapped };
        }
    };
    AuthMethod::AppRole { role_id, file: absolute(block, name, file), wrapped }
}

fn by_cert(block: &mut Fields<'_>) -> AuthMethod {
    let cert_file = node_file(block, "client_cert_file");
    let key_file = node_file(block, "client_key_file");
    AuthMethod::Cert { files: ClientCert { cert_file, key_file }, role: block.text("role") }
}

fn by_token(block: &mut Fields<'_>) -> AuthMethod {
    AuthMethod::Token { file: node_file(block, "token_file") }
}

/// Reads the name of a file that may come later: credentials are put there by others, and are read at each login. What is
/// missing is told by `check` and at the login; refused here, it would keep the whole agent from starting.
fn node_file(block: &mut Fields<'_>, name: &'static str) -> PathBuf {
    match block.text(name) {
        Some(file) => absolute(block, name, file),
        None => {
            block.flaw(name, "is missing; give an absolute path");
            PathBuf::new()
        }
    }
}

fn absolute(block: &Fields<'_>, name: &str, file: String) -> PathBuf {
    let path = PathBuf::from(file);
    if !path.is_absolute() {
        block.flaw(name, format_args!("{} is no absolute path", quoted(&path.to_string_lossy())));
    }
    path
}

fn child(block: &mut Fields<'_>) -> ChildSettings {
    let span = SECOND..=DAY * 3650;
    let child = ChildSettings {
        role: block.text("token_role"),
        policies: block.texts("token_policies"),
        ttl: block.duration("token_ttl", span.clone()),
        explicit_max_ttl: block.duration("token_explicit_max_ttl", span),
    };
    for pattern in child.role.iter().chain(&child.policies) {
        if let Err(error) = identity::check_role_pattern(pattern) {
            block.flaw("", error);
        }
    }
    child
}

fn pki(fields: &mut Fields<'_>) -> PkiSettings {
    let default = PkiSettings::default();
    let mut block = fields.block_or_empty("pki");
    let settings = PkiSettings {
        mount: mount(&mut block, default.mount),
        role: block.text("role").unwrap_or(default.role),
        ttl: block.duration("ttl", Duration::from_secs(60)..=DAY * 3650).unwrap_or(default.ttl),
        follow: match block.text("trust").as_deref() {
            None | Some("mount") => true,
            Some("issuer") => false,
            Some(other) => {
                block.flaw("trust", format_args!("{} is unknown; give mount or issuer", quoted(other)));
                true
            }
        },
    };
    block.finish();
    settings
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::{Value, json};

    use super::super::plugin::settings;

    fn read(config: &Value) -> Result<(), String> {
        let bytes = rmp_serde::to_vec_named(config).expect("msgpack");
        settings(&bytes).map(drop).map_err(|error| error.to_string())
    }

    fn by_certificate(address: &str, dir: &Path) -> Value {
        let auth = json!({
            "method": "cert", "client_cert_file": dir.join("node.pem"), "client_key_file": dir.join("node.key"),
        });
        json!({ "vault": { "address": address, "allow_plain_http": true }, "auth": auth })
    }

    #[test]
    fn the_nodes_certificate_may_come_later_but_must_be_one_when_it_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = by_certificate("https://vault:8200", dir.path());
        assert_eq!(read(&config), Ok(()));
        fs::write(dir.path().join("node.pem"), "no certificate").expect("written");
        assert_eq!(read(&config), Ok(()), "its key may still come");
        let key = dir.path().join("node.key");
        fs::write(&key, "no key").expect("written");
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
        let refused = read(&config).expect_err("no PEM");
        assert!(refused.contains("client_cert_file") && refused.contains("client_key_file"), "{refused}");
    }

    #[test]
    fn a_login_by_certificate_wants_https_at_every_address() {
        let dir = tempfile::tempdir().expect("a directory");
        let plain = by_certificate("http://127.0.0.1:8200", dir.path());
        let mut second = by_certificate("https://vault:8200", dir.path());
        second["vault"] =
            json!({ "addresses": ["https://vault:8200", "http://127.0.0.1:8200"], "allow_plain_http": true });
        let cluster = json!({
            "address": "http://127.0.0.1:8200", "allow_plain_http": true, "auth": plain["auth"].clone(),
        });
        for config in [plain, second, json!({ "cluster": { "east": cluster } })] {
            let refused = read(&config).expect_err("no TLS");
            assert!(refused.contains("http://127.0.0.1:8200") && refused.contains("client_cert_file"), "{refused}");
        }
    }
}
