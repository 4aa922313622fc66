//! The bytes that an agent would send for a config block.

use std::collections::BTreeMap;

use super::{Failure, arguments::Encode, print, schemas::schemas};
use crate::harness::{
    agent::PluginConfig,
    report::{Report, Source},
    spec::{self, Spec},
};

/// Prints a line for each file, in their order; fails when one of the blocks does.
pub async fn encode(wanted: &Encode) -> Result<i32, Failure> {
    let schemas = schemas(&wanted.binary).await?;
    let (spec, parse): (_, fn(_) -> _) = match wanted.plugin_config {
        true => (schemas.operator, PluginConfig::parse),
        false => (schemas.task, PluginConfig::parse_task),
    };
    let mut code = 0;
    for file in &wanted.files {
        match bytes(&spec, Source::read(file).and_then(parse)) {
            Ok(bytes) => print::out(&hex::encode(bytes)),
            Err(report) => {
                print::out(&format!("error: {}", report.to_string().replace('\n', "; ")));
                code = 1;
            }
        }
    }
    Ok(code)
}

fn bytes(spec: &Spec, config: Result<PluginConfig, Report>) -> Result<Vec<u8>, Report> {
    let config = config?;
    let value = spec::decode(spec, &config.body, &BTreeMap::new());
    value.map(|value| value.encode()).map_err(|problems| Report::errors(&config.source, problems))
}
