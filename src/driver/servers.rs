//! The clusters of secrets servers that the operator has named, and how a task sees one.

use std::sync::Arc;

use super::{
    Class, DriverError, login::Login, node::NodeLogin, node::Store, parts::Parts, settings::Settings, turns::Turns,
};
use crate::{domain::ServerName, vault::Vault};

/// One cluster as seen from one namespace.
#[derive(Clone)]
pub(super) struct Server {
    /// The cluster's name; empty for the default one.
    pub(super) cluster: String,
    /// The namespace; empty for the root.
    pub(super) namespace: String,
    pub(super) vault: Arc<dyn Vault>,
    pub(super) login: Arc<Login>,
    /// Whose turn it is there.
    pub(super) turns: Arc<Turns>,
}

impl Server {
    /// Builds the cluster `name` over a client of it.
    ///
    /// # Errors
    /// There is no such cluster in the settings, or a file of its login cannot be read.
    pub(super) fn new(settings: &Settings, name: &ServerName, vault: Arc<dyn Vault>) -> Result<Self, DriverError> {
        let (of_vault, auth, _) = settings.cluster(name)?;
        let store = Store::below(&settings.tmpfs.runtime_dir, name.cluster());
        Ok(Self {
            cluster: name.cluster.clone().unwrap_or_default(),
            namespace: of_vault.namespace.clone().unwrap_or_default(),
            login: Arc::new(Login::new(auth, &vault, store)?),
            // The other half is for starts, which somebody waits for.
            turns: Turns::new(of_vault.max_in_flight / 2),
            vault,
        })
    }

    /// Returns the same cluster as seen from another namespace.
    fn seen_from(self, namespace: Option<&str>) -> Self {
        let Some(namespace) = namespace else { return self };
        let namespace = if namespace == ServerName::ROOT { "" } else { namespace };
        if namespace == self.namespace {
            return self;
        }
        Self { vault: self.vault.in_namespace(namespace), namespace: namespace.to_owned(), ..self }
    }
}

impl Parts {
    /// Returns the server that a task asks.
    ///
    /// # Errors
    /// The operator has configured no such server.
    pub(super) fn server(&self, name: &ServerName) -> Result<Server, DriverError> {
        let server = match name.cluster() {
            ServerName::DEFAULT => self.default_server(),
            other => self.clusters.get(other).cloned(),
        };
        let unknown = || match self.settings.cluster(name) {
            Err(error) => error,
            Ok(_) => DriverError::new(Class::Internal, "a cluster without a client"),
        };
        Ok(server.ok_or_else(unknown)?.seen_from(name.namespace.as_deref()))
    }

    fn default_server(&self) -> Option<Server> {
        let (vault, login) = (self.vault.clone()?, self.login.clone()?);
        let namespace = self.settings.vault.as_ref().and_then(|vault| vault.namespace.clone()).unwrap_or_default();
        Some(Server { cluster: String::new(), namespace, vault, login, turns: Arc::clone(&self.turns) })
    }

    /// Returns the node's own logins, at whatever cluster.
    pub(super) fn node_logins(&self) -> impl Iterator<Item = Arc<NodeLogin>> {
        self.login.iter().chain(self.clusters.values().map(|server| &server.login)).filter_map(|login| login.of_node())
    }
}
