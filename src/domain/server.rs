//! Which secrets server is meant.

use serde::{Deserialize, Serialize};

/// The cluster and namespace that a job asks for; absent, the operator's default ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerName {
    /// The operator's name for the cluster.
    pub cluster: Option<String>,
    /// The server's namespace; `root` is the one above all.
    pub namespace: Option<String>,
}

impl ServerName {
    /// The name of the cluster that jobs get which name none.
    pub const DEFAULT: &'static str = "default";
    /// The name of the namespace above all.
    pub const ROOT: &'static str = "root";

    /// Returns the cluster's name.
    pub fn cluster(&self) -> &str {
        self.cluster.as_deref().unwrap_or(Self::DEFAULT)
    }
}
