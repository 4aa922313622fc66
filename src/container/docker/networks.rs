//! Further networks of a container. Older engines take one when a container is made, so these are joined afterwards, before it
//! is started.

use bollard::models::{EndpointSettings, NetworkConnectRequest};

use crate::{
    container::{ContainerId, Docker, Error},
    domain::NetworkOptions,
};

use super::client::SHORT;

impl Docker {
    /// Joins the networks that the job wants beside the first, in order; one that the container is in already is fine.
    pub(super) async fn join_networks(&self, id: &ContainerId, options: &NetworkOptions) -> Result<(), Error> {
        for network in &options.also {
            let doing = format!("join container {id} to network {network:?}");
            let wanted = NetworkConnectRequest {
                container: id.as_str().to_owned(),
                endpoint_config: Some(endpoint(network, &options.aliases)),
            };
            let request = |api: bollard::Docker| async move { api.connect_network(network, wanted).await };
            match self.call(&doing, SHORT, request).await {
                Err(Error::EngineRefused { why, .. }) if why.contains("already exists in network") => (),
                other => other?,
            }
        }
        Ok(())
    }
}

/// The job's names hold on every network but the engine's own bridge, which knows none.
fn endpoint(network: &str, aliases: &[String]) -> EndpointSettings {
    let named = network != "bridge" && !aliases.is_empty();
    EndpointSettings { aliases: named.then(|| aliases.to_vec()), ..EndpointSettings::default() }
}
