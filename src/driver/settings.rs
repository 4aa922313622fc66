//! The operator's configuration, checked: one value for each room, and the driver's own.

use std::{path::PathBuf, time::Duration};

use crate::{container, identity, journal, tmpfs, vault};

/// Everything an operator can set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What a job may ask of the engine, and the engine's socket.
    pub container: container::Policy,
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
    /// The tasks' directories in RAM.
    pub tmpfs: tmpfs::Settings,
    /// The state directory.
    pub journal: journal::Settings,
    /// When things are looked at, and how long is waited.
    pub refresh: RefreshSettings,
}

/// How tasks log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSettings {
    /// The auth method's mount, without `auth/`.
    pub mount: String,
    /// With what.
    pub method: AuthMethod,
}

/// With what a task proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
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
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self { mount: "jwt-nomad".to_owned(), method: AuthMethod::Nomad { identity: "vault_default".to_owned() } }
    }
}

impl Default for PkiSettings {
    fn default() -> Self {
        Self { mount: "pki_int".to_owned(), role: "{job}".to_owned(), ttl: Duration::from_secs(24 * 3600) }
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
        }
    }
}
