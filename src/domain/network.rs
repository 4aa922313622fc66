//! Networks as the orchestrator describes them, in our own words.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The network that the tasks of an allocation share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNetwork {
    /// The id of the container that holds it, as the orchestrator tells it.
    pub container: String,
    /// Under which name and address the allocation knows itself, once the orchestrator has plumbed the network.
    pub host: Option<HostEntry>,
}

/// A name with its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// The name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
}

/// How names are resolved, when the group says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses of name servers.
    pub servers: Vec<String>,
    /// Domains to search.
    pub searches: Vec<String>,
    /// Options of the resolver.
    pub options: Vec<String>,
}

impl Dns {
    /// Says whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.searches.is_empty() && self.options.is_empty()
    }
}
