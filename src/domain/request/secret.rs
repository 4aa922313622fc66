//! What a job says about one secret: where it is, what of it is wanted, and in which form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Access, Craft, Loss, OnLoss, ServerPath};
use crate::domain::{RelPath, Upkeep};

/// A secret that becomes files `<name>/<field>`, or one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRequest {
    /// The block's label and the folder's name.
    pub name: RelPath,
    /// Where it is on the server.
    pub path: ServerPath,
    /// The version of KV 2 that is wanted; the newest when absent.
    #[serde(default)]
    pub version: Option<u64>,
    /// Whether it is asked for by a write, as some engines want.
    #[serde(default)]
    pub write: bool,
    /// What is sent along.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// How it comes about.
    #[serde(default)]
    pub craft: Craft,
    /// How its values stand on the server.
    #[serde(default)]
    pub encoding: Encoding,
    /// Whether the task starts without it.
    #[serde(default)]
    pub optional: bool,
    /// What fields that are missing hold instead.
    #[serde(default)]
    pub defaults: BTreeMap<String, String>,
    /// The form of its files.
    #[serde(default)]
    pub format: Format,
    /// The one file, when the form is one file and it is not to bear the block's name.
    #[serde(default)]
    pub file: Option<RelPath>,
    /// Whether its fields become variables of the task's process, too.
    #[serde(default)]
    pub env: bool,
    /// Who may read its files.
    #[serde(default)]
    pub access: Access,
    /// How its files are kept up.
    #[serde(flatten)]
    pub upkeep: Upkeep,
}

/// How a secret's values stand on the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As they are to be delivered.
    #[default]
    Plain,
    /// In base64, because JSON holds no bytes.
    Base64,
}

/// The form of a secret's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `NAME=value` lines for a shell.
    Dotenv,
    /// One file for each field.
    #[default]
    Files,
    /// One JSON object.
    Json,
    /// Lines for `java.util.Properties`.
    Properties,
    /// One field's value as it is.
    Raw {
        /// Which; may be left out when there is only one.
        field: Option<String>,
    },
    /// A YAML mapping.
    Yaml,
}

impl SecretRequest {
    /// Returns a request for `path` that leaves everything else as it is when a job says nothing.
    pub fn new(name: RelPath, path: ServerPath, upkeep: impl Into<Upkeep>) -> Self {
        Self {
            name,
            path,
            version: None,
            write: false,
            params: BTreeMap::new(),
            craft: Craft::default(),
            encoding: Encoding::default(),
            optional: false,
            defaults: BTreeMap::new(),
            format: Format::default(),
            file: None,
            env: false,
            access: Access::default(),
            upkeep: upkeep.into(),
        }
    }

    /// Says whether the task does without it.
    pub fn is_optional(&self) -> bool {
        self.optional || !self.defaults.is_empty()
    }

    /// Returns what becomes of its files when it is lost.
    pub fn on_loss(&self, loss: Loss) -> OnLoss {
        self.upkeep.losses.of(loss, self.is_optional())
    }

    /// Returns what it is called below the secrets directory: a folder, or the one file.
    pub fn output(&self) -> &RelPath {
        self.file.as_ref().unwrap_or(&self.name)
    }
}

impl Format {
    /// Says whether the form is one file.
    pub fn is_one_file(&self) -> bool {
        *self != Self::Files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ChangeAction;

    #[test]
    fn an_older_record_asks_for_what_it_did() {
        let old = r#"{"name":"db","path":"kv/data/db","on_change":"restart","splay":{"secs":5,"nanos":0}}"#;
        let read: SecretRequest = serde_json::from_str(old).expect("read");
        let [name, path] = ["db", "kv/data/db"];
        let new =
            SecretRequest::new(name.parse().expect("a name"), path.parse().expect("a path"), ChangeAction::Restart);
        assert_eq!(read, new);
    }
}
