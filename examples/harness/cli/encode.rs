//! The bytes that an agent would send for a config block.

use std::{collections::BTreeMap, path::Path};

use super::{Failure, Plugin, load, print};
use crate::harness::{
    agent::PluginConfig,
    process::{Process, Program},
    report::{Report, Source},
    spec::{self, Spec},
};

/// Prints the bytes, or what is wrong with the block.
pub async fn encode(plugin: &Plugin, operator: bool, file: &Path) -> Result<i32, Failure> {
    let config = PluginConfig::parse(Source::read(file)?)?;
    let spec = if operator { operator_spec(plugin).await? } else { task_spec(plugin).await? };
    let value = spec::decode(&spec, &config.body, &BTreeMap::new());
    let value = value.map_err(|problems| Report::errors(&config.source, problems))?;
    print::out(&hex::encode(value.encode()));
    Ok(0)
}

async fn task_spec(plugin: &Plugin) -> Result<Spec, Failure> {
    let agent = load(plugin).await?;
    agent.shutdown().await;
    Ok(agent.task_spec)
}

async fn operator_spec(plugin: &Plugin) -> Result<Spec, Failure> {
    let binary = plugin.plugin.clone().map_or_else(super::beside_us, Ok)?;
    let process = Process::launch(&Program { binary, env: Vec::new() }, &Default::default()).await?;
    let request = strongbox::plugin::proto::base::ConfigSchemaRequest {};
    let schema =
        process.base().config_schema(request).await?.into_inner().spec.ok_or("the plugin has no config schema")?;
    process.shutdown().await;
    Ok(Spec::from_wire(&schema)?)
}
