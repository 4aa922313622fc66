//! What a server lends, and for how long.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::SecretString;

/// Names a lease; may be logged, kept in a handle and on disk.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct LeaseId(pub String);

/// Names a token without being one; may be logged, kept in a handle and on disk.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Accessor(pub String);

/// A credential's time as the server granted it last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// Which lease.
    pub id: LeaseId,
    /// Granted life from the moment of the answer.
    pub duration: Duration,
    /// Whether the server will prolong it.
    pub renewable: bool,
}

/// A login's fruit: the token and what the server said about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The token itself.
    pub token: SecretString,
    /// Its name for revocation; batch tokens have none.
    pub accessor: Option<Accessor>,
    /// Granted life; zero means it does not expire.
    pub duration: Duration,
    /// Whether the server will prolong it.
    pub renewable: bool,
    /// The policies it carries, its own and those of its identity.
    pub policies: Vec<String>,
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Accessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
