//! The configuration as a person has it: an HCL file instead of an agent's bytes, and the schemas as JSON.

use serde_json::{Map, Value, json};

use super::{
    config,
    job_file::as_agents_send,
    proto::hclspec::{Spec, spec},
    schema,
};
use crate::driver::{DriverError, Settings};

/// Why a file gives no settings.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    /// A value in it is wrong.
    #[error(transparent)]
    Config(#[from] DriverError),
    /// It cannot be brought into the wire's form.
    #[error("config block cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// It is no HCL.
    #[error("no HCL: {0}")]
    Hcl(#[from] hcl::Error),
    /// It has no block of ours.
    #[error("no plugin block; write plugin \"nomad-driver-strongbox\" {{ config {{ … }} }}")]
    NoBlock,
}

/// Reads settings from a file that holds `plugin "nomad-driver-strongbox" { config { … } }`, as an agent's configuration
/// does, or the bare `config` block.
///
/// # Errors
/// The text is no HCL, has no such block, or a value is wrong.
pub fn settings_from_hcl(text: &str) -> Result<Settings, HandError> {
    let body: hcl::Body = hcl::parse(text)?;
    let config = config_block(&body).ok_or(HandError::NoBlock)?;
    let mut value: Value = hcl::from_body(config.body.clone())?;
    as_agents_send(&mut value, &schema::plugin_config());
    Ok(config::settings(&rmp_serde::to_vec_named(&value)?)?)
}

/// Finds the `config` block, in our plugin block or bare.
fn config_block(body: &hcl::Body) -> Option<&hcl::Block> {
    let ours = |block: &&hcl::Block| {
        block.identifier() == "plugin"
            && block.labels().first().is_some_and(|label| label.as_str().contains("strongbox"))
    };
    let within = body.blocks().find(ours).map_or(body, hcl::Block::body);
    within.blocks().find(|block| block.identifier() == "config")
}

/// Returns the schemas of the operator's and the job's config.
pub fn schemas_as_json() -> Value {
    json!({ "plugin": describe(&schema::plugin_config()), "task": describe(&schema::task_config()) })
}

/// Turns a spec into an object: attributes by their type, blocks by their kind.
fn describe(spec: &Spec) -> Value {
    match &spec.block {
        Some(spec::Block::Object(object)) => {
            let mut fields: Vec<_> = object.attributes.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            Value::Object(fields.into_iter().map(|(name, spec)| (name.clone(), describe(spec))).collect::<Map<_, _>>())
        }
        Some(spec::Block::Attr(attr)) => json!({ "type": attr.r#type, "required": attr.required }),
        Some(spec::Block::BlockValue(block)) => json!({ "block": nested(block.nested.as_deref()) }),
        Some(spec::Block::BlockList(list)) => json!({ "blocks": nested(list.nested.as_deref()) }),
        Some(spec::Block::BlockMap(map)) => json!({ "labels": map.labels, "blocks": nested(map.nested.as_deref()) }),
        Some(spec::Block::BlockAttrs(block)) => json!({ "attributes": block.r#type }),
        Some(_) | None => Value::Null,
    }
}

fn nested(spec: Option<&Spec>) -> Value {
    spec.map(describe).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_file_gives_settings() {
        let text = r#"
            client { enabled = true }
            plugin "nomad-driver-strongbox" {
              config {
                vault { address = "https://vault:8200" }
                allow {
                  job   = "shop"
                  roles = ["shop"]
                }
              }
            }"#;
        let settings = settings_from_hcl(text).expect("settings");
        assert_eq!((settings.rules.len(), settings.vault.is_some()), (1, true));
    }

    #[test]
    fn a_wrong_value_is_named() {
        let error = settings_from_hcl("config { refresh { kv_poll = \"soon\" } }").expect_err("no duration");
        assert!(error.to_string().contains("kv_poll"), "{error}");
        assert!(matches!(settings_from_hcl("client {}"), Err(HandError::NoBlock)));
    }
}
