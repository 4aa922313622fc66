//! Who may pull: the credentials of registries, and where they are looked for.
//!
//! The order is the job's own credential, the secrets server's, the operator's auth file with the stores it names, the
//! helper for one registry, the helper for all, and none. The first two come from the caller, who knows the job and the
//! server; the rest is looked up here, anew for each pull, so that a changed file needs no restart.
//!
//! Promises: what a source does not hold is not an error, what it cannot say is one; a helper has ten seconds; no value is
//! ever in an error or printed.
//!
//! Does not know: the engine, the secrets server, who asks.

mod config_file;
mod credential;
mod error;
mod examine;
mod fields;
mod helper;
mod keyring;
mod lookup;
mod names;

pub use credential::{Credential, Login, Source};
pub use error::LookupError;
pub use fields::credential_of;
pub use helper::{HelperName, HelperNameError};
pub use keyring::{Anonymous, Keyring, Operator};
pub use lookup::{HostSettings, RegistrySettings};
pub use names::{canonical_host, host_of_address};
