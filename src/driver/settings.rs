//! The operator's configuration, checked: one value for each room, and the driver's own.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use super::{Class, DriverError};
use crate::{
    audit, container,
    domain::{ServerName, TaskMeta},
    identity, journal, tmpfs, vault,
};

/// Everything an operator can set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What a job may ask of the engine, and the engine's socket.
    pub container: container::Policy,
    /// How images are got and kept.
    pub images: ImageSettings,
    /// How names are made of a task's metadata.
    pub identity: identity::Settings,
    /// Which job may ask for what.
    pub rules: identity::Rules,
    /// The secrets server; absent when none is configured.
    pub vault: Option<vault::Settings>,
    /// How tasks log in there.
    pub auth: AuthSettings,
    /// Defaults for certificates.
    pub pki: PkiSettings,
    /// Further clusters of secrets servers, by name.
    pub clusters: BTreeMap<String, ClusterSettings>,
    /// The tasks' directories in RAM.
    pub tmpfs: tmpfs::Settings,
    /// The state directory.
    pub journal: journal::Settings,
    /// Where it is written who was given what.
    pub audit: audit::Settings,
    /// Networks that the tasks of an allocation share.
    pub network: NetworkSettings,
    /// When things are looked at, and how long is waited.
    pub refresh: RefreshSettings,
    /// How what was fetched reaches a task, beside files.
    pub delivery: DeliverySettings,
    /// Where figures are asked for; absent when nobody may.
    pub metrics: Option<Listen>,
}

/// How what was fetched reaches a task, beside files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Whether values may be variables of a task's process, where a rule says so, too.
    pub allow_env: bool,
}

/// Where something is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A unix socket, for its owner only.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A further cluster of secrets servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// How it is spoken with.
    pub vault: vault::Settings,
    /// How tasks log in there.
    pub auth: AuthSettings,
    /// Defaults for certificates from there.
    pub pki: PkiSettings,
}

/// How images are got and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// How pulls are done.
    pub pull: container::PullSettings,
    /// Where registries' credentials are.
    pub registry: container::RegistrySettings,
    /// Which unused images go, and when.
    pub collect: CollectSettings,
}

/// Which unused images go, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectSettings {
    /// Which.
    pub collect: Collect,
    /// How long after the last use.
    pub delay: Duration,
    /// Names that stay; `*` stands for anything.
    pub keep: Vec<String>,
}

/// Which unused images go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collect {
    /// All that tasks have used.
    Any,
    /// None.
    Nothing,
    /// Those that the driver brought.
    Pulled,
}

impl Default for CollectSettings {
    fn default() -> Self {
        Self { collect: Collect::Pulled, delay: Duration::from_secs(180), keep: Vec::new() }
    }
}

impl CollectSettings {
    /// Says whether an image of that name stays for good.
    pub fn keeps(&self, name: &str) -> bool {
        self.keep.iter().any(|pattern| matches(pattern, name))
    }
}

/// Compares with a pattern in which `*` stands for any letters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(tail) = text.strip_prefix(head) else { return false };
    let mut starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    starts.any(|at| matches(rest, &tail[at..]))
}

/// How tasks log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// The auth method's mount, without `auth/`.
    pub mount: String,
    /// With what.
    pub method: AuthMethod,
    /// What the node's own login makes for each task, where the method is one of the node.
    pub child: ChildSettings,
}

/// The tokens that a node makes for its tasks. All texts are patterns over the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChildSettings {
    /// The token role; the identity's role when absent.
    pub role: Option<String>,
    /// The policies to ask for; all that the token role allows when empty.
    pub policies: Vec<String>,
    /// The life to ask for.
    pub ttl: Option<Duration>,
    /// The greatest life to ask for, beyond all renewals.
    pub explicit_max_ttl: Option<Duration>,
}

/// With what a task proves who it is, or the node in its stead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// The node's application role.
    AppRole {
        /// Its public half.
        role_id: String,
        /// The file with the secret id, or with a wrapping token that holds one; readable by its owner only.
        file: PathBuf,
        /// Whether it is a wrapping token.
        wrapped: bool,
    },
    /// The node's certificate.
    Cert {
        /// The certificate and its key.
        files: vault::ClientCert,
        /// The method's role; the server picks one when absent.
        role: Option<String>,
    },
    /// A JWT that the driver signs from the task's metadata.
    Driver {
        /// The node's private key, PEM, readable by its owner only.
        key_file: PathBuf,
        /// The `iss` claim.
        issuer: String,
        /// The `aud` claim.
        audience: String,
    },
    /// The JWT that Nomad signed and wrote into the task's secrets directory.
    Nomad {
        /// The name of the job's identity block.
        identity: String,
    },
    /// A token for the node that somebody else keeps in a file.
    Token {
        /// The file, readable by its owner only.
        file: PathBuf,
    },
}

/// Defaults for certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PkiSettings {
    /// Where the PKI engine is mounted.
    pub mount: String,
    /// The engine's role, as a pattern over the identity.
    pub role: String,
    /// The life to ask for.
    pub ttl: Duration,
    /// Whether every issuer of the mount is trusted, or only what is above the held certificates.
    pub follow: bool,
}

/// Networks that the tasks of an allocation share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// The image of the containers that hold them.
    pub infra_image: container::ImageRef,
    /// How long it may be pulled.
    pub infra_image_pull_timeout: Duration,
    /// How long one that runs and that nobody speaks of is kept.
    pub reap_after: Duration,
}

/// When things are looked at, and how long is waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshSettings {
    /// How often a secret without a lease is read again.
    pub kv_poll: Duration,
    /// After a change: wait until so long nothing else has changed.
    pub quiet: Duration,
    /// But never longer than this.
    pub longest: Duration,
    /// How long a start waits for the secrets server.
    pub secrets_timeout: Duration,
    /// How long a leftover may wait for its orchestrator before it is undone.
    pub reap_after: Duration,
    /// Grace between signal and kill when the driver restarts a container.
    pub stop_timeout: Duration,
    /// How long after the action a credential that was replaced lives on.
    pub revoke_after: Duration,
}

impl AuthMethod {
    /// Returns the node's files that no job may ever see.
    pub fn files(&self) -> Vec<&PathBuf> {
        match self {
            Self::AppRole { file, .. } | Self::Token { file } => vec![file],
            Self::Cert { files, .. } => vec![&files.cert_file, &files.key_file],
            Self::Driver { key_file, .. } => vec![key_file],
            Self::Nomad { .. } => Vec::new(),
        }
    }
}

impl Settings {
    /// Returns how the cluster of that name is spoken with and logged in to.
    ///
    /// # Errors
    /// There is none of that name, or none at all.
    pub(super) fn cluster(
        &self,
        server: &ServerName,
    ) -> Result<(&vault::Settings, &AuthSettings, &PkiSettings), DriverError> {
        let refused = |text: String| DriverError::new(Class::PolicyRefused, text);
        match server.cluster() {
            ServerName::DEFAULT => {
                let vault = self.vault.as_ref().ok_or_else(|| refused(NO_VAULT.to_owned()))?;
                Ok((vault, &self.auth, &self.pki))
            }
            other => {
                let cluster = self.clusters.get(other).ok_or_else(|| {
                    let known: Vec<&str> = self.clusters.keys().map(String::as_str).collect();
                    refused(format!(
                        "vault_cluster {other:?}: the plugin's configuration has no such cluster block (it has {known:?})"
                    ))
                })?;
                Ok((&cluster.vault, &cluster.auth, &cluster.pki))
            }
        }
    }

    /// Returns the rules that hold at `server` for the task `meta`.
    ///
    /// # Errors
    /// None does, or there is no such server.
    pub(super) fn rules_at(&self, meta: &TaskMeta, server: &ServerName) -> Result<identity::Rules, DriverError> {
        if *server == ServerName::default() {
            let place = identity::Place { cluster: ServerName::DEFAULT, namespace: ServerName::ROOT, configured: true };
            let configured = self.vault.as_ref().and_then(|vault| vault.namespace.as_deref());
            let namespace = configured.unwrap_or(ServerName::ROOT);
            return Ok(self.rules.at(meta, &identity::Place { namespace, ..place })?);
        }
        let configured = self.cluster(server)?.0.namespace.as_deref().unwrap_or(ServerName::ROOT);
        let namespace = server.namespace.as_deref().unwrap_or(configured);
        let place = identity::Place { cluster: server.cluster(), namespace, configured: namespace == configured };
        Ok(self.rules.at(meta, &place)?)
    }
}

/// What is said where nobody has configured a server.
const NO_VAULT: &str =
    "the job asks for secrets, but the plugin's configuration has no vault block; add one with an address";

impl Default for AuthSettings {
    fn default() -> Self {
        let method = AuthMethod::Nomad { identity: "vault_default".to_owned() };
        Self { mount: "jwt-nomad".to_owned(), method, child: ChildSettings::default() }
    }
}

impl Default for PkiSettings {
    fn default() -> Self {
        Self {
            mount: "pki_int".to_owned(),
            role: "{job}".to_owned(),
            ttl: Duration::from_secs(24 * 3600),
            follow: true,
        }
    }
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            infra_image: "registry.k8s.io/pause:3.10".parse().expect("it is a reference"),
            infra_image_pull_timeout: Duration::from_secs(300),
            reap_after: Duration::from_secs(1800),
        }
    }
}

impl Default for RefreshSettings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            kv_poll: seconds(60),
            quiet: seconds(5),
            longest: seconds(30),
            secrets_timeout: seconds(60),
            reap_after: seconds(300),
            stop_timeout: seconds(5),
            revoke_after: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_names_may_have_stars() {
        let settings =
            CollectSettings { keep: vec!["r.example/*:1".into(), "app".into()], ..CollectSettings::default() };
        for (name, kept) in [("r.example/a/b:1", true), ("r.example/a:2", false), ("app", true), ("app:1", false)] {
            assert_eq!(settings.keeps(name), kept, "{name}");
        }
    }
}
