//! The plugin's own descriptions, asked of one launch that is told nothing and ends at once.

use std::path::{Path, PathBuf};

use strongbox::plugin::proto::{
    base::{ConfigSchemaRequest, PluginInfoRequest},
    drivers::TaskConfigSchemaRequest,
};

use super::{Failure, arguments::Binary};
use crate::harness::{
    feed::Feed,
    process::{Process, Program},
    spec::Spec,
};

/// What the plugin says of itself before it is configured.
pub struct Schemas {
    /// The driver's name.
    pub driver: String,
    /// The operator's block.
    pub operator: Spec,
    /// A task's block.
    pub task: Spec,
}

/// Launches the plugin and asks.
pub async fn schemas(binary: &Binary) -> Result<Schemas, Failure> {
    let process = Process::launch(&program(binary)?, &Feed::default()).await?;
    let asked = ask(&process).await;
    process.shutdown().await;
    asked
}

async fn ask(process: &Process) -> Result<Schemas, Failure> {
    let info = process.base().plugin_info(PluginInfoRequest {}).await?.into_inner();
    let operator = process.base().config_schema(ConfigSchemaRequest {}).await?.into_inner().spec;
    let task = process.driver().task_config_schema(TaskConfigSchemaRequest {}).await?.into_inner().spec;
    Ok(Schemas {
        driver: info.name,
        operator: Spec::from_wire(&operator.ok_or("the plugin describes no config of its own")?)?,
        task: Spec::from_wire(&task.ok_or("the plugin describes no config of tasks")?)?,
    })
}

/// Returns the program to launch.
pub fn program(binary: &Binary) -> std::io::Result<Program> {
    let binary = binary.plugin.clone().map_or_else(beside_us, Ok)?;
    Ok(Program { binary, env: Vec::new() })
}

/// Returns the plugin that was built beside this program.
fn beside_us() -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    Ok(target.join("nomad-driver-strongbox"))
}
