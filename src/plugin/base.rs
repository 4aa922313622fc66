//! What every plugin answers: who it is, what its configuration looks like, and the configuration itself.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    config, guard,
    proto::base::{
        ConfigSchemaRequest, ConfigSchemaResponse, PluginInfoRequest, PluginInfoResponse, PluginType, SetConfigRequest,
        SetConfigResponse, base_plugin_server::BasePlugin,
    },
    schema,
    status::status,
    ticks::Ticks,
};
use crate::driver::TaskDriver;

/// The driver's name in jobs: `driver = "strongbox"`.
pub const NAME: &str = "strongbox";
/// The version of the driver API; agents compare it as a version.
const API: &str = "v0.1.0";

/// The service.
pub struct Base {
    driver: Arc<dyn TaskDriver>,
    ticks: Ticks,
}

impl Base {
    /// Returns the service in front of `driver`; what the agent says of the node's processors goes to `ticks`.
    pub fn new(driver: Arc<dyn TaskDriver>, ticks: Ticks) -> Self {
        Self { driver, ticks }
    }
}

#[tonic::async_trait]
impl BasePlugin for Base {
    async fn plugin_info(&self, _: Request<PluginInfoRequest>) -> Result<Response<PluginInfoResponse>, Status> {
        Ok(Response::new(PluginInfoResponse {
            r#type: PluginType::Driver as i32,
            plugin_api_versions: vec![API.to_owned()],
            plugin_version: env!("CARGO_PKG_VERSION").to_owned(),
            name: NAME.to_owned(),
        }))
    }

    async fn config_schema(&self, _: Request<ConfigSchemaRequest>) -> Result<Response<ConfigSchemaResponse>, Status> {
        Ok(Response::new(ConfigSchemaResponse { spec: Some(schema::plugin_config()) }))
    }

    async fn set_config(&self, request: Request<SetConfigRequest>) -> Result<Response<SetConfigResponse>, Status> {
        guard::attend("SetConfig", async {
            let request = request.into_inner();
            let settings = config::settings(&request.msgpack_config).map_err(|error| status(&error))?;
            self.driver.configure(settings).map_err(|error| status(&error))?;
            if let Some(topology) = request.nomad_config.and_then(|nomad| nomad.driver).and_then(|node| node.topology) {
                self.ticks.learn(&topology);
            }
            Ok(Response::new(SetConfigResponse {}))
        })
        .await
    }
}
