//! The `secret` blocks of a job.

use std::collections::BTreeMap;

use super::{
    access::access,
    fields::{Fields, quoted},
    task::Reader,
    upkeep::{upkeep_of_secret, variables_need_a_restart},
};
use crate::domain::{ChangeAction, Craft, Encoding, Format, SecretRequest};

/// Longest value of a parameter or default.
const VALUE_MAX: usize = 64 * 1024;

impl Reader<'_> {
    /// Reads these, and the blocks that are secrets of a special make.
    pub(super) fn all_secrets(&self, fields: &mut Fields<'_>) -> Vec<SecretRequest> {
        [self.secrets(fields), self.decrypts(fields), self.ssh_certificates(fields), self.tokens(fields)].concat()
    }

    fn secrets(&self, fields: &mut Fields<'_>) -> Vec<SecretRequest> {
        fields.labelled("secret").into_iter().filter_map(|(label, block)| self.secret(&label, block)).collect()
    }

    fn secret(&self, label: &str, mut block: Fields<'_>) -> Option<SecretRequest> {
        let name = self.name("secret", label);
        let path = block.required_text("path");
        let path = (!path.is_empty()).then_some(path).and_then(|path| {
            let refused = |error| self.paths.add(&format!("secret {}.path", quoted(label)), error);
            path.parse().map_err(refused).ok()
        });
        let params = map(&mut block, "params");
        let write = method(&mut block, !params.is_empty());
        let version = version(&mut block, write, &params);
        let format = format(&mut block);
        let file = self.path(&mut block, "secret", label, "file");
        if file.is_some() && !format.is_one_file() {
            block.flaw("file", "is given, but format is not one file; give json, dotenv, properties, yaml or raw");
        }
        let request = SecretRequest {
            version,
            write,
            params,
            craft: Craft::Asked,
            encoding: encoding(&mut block),
            optional: block.flag("optional").unwrap_or_default(),
            defaults: map(&mut block, "default"),
            format,
            file,
            env: block.flag("env").unwrap_or_default(),
            access: access(&mut block),
            upkeep: upkeep_of_secret(&mut block, ChangeAction::Noop),
            name: name?,
            path: path?,
        };
        if request.env {
            variables_need_a_restart(&mut block, &request.upkeep);
        }
        block.finish();
        Some(request)
    }
}

/// Reads which version of KV 2 is wanted, which no other engine has.
fn version(block: &mut Fields<'_>, write: bool, params: &BTreeMap<String, String>) -> Option<u64> {
    let version = block.whole("version", 1..=i64::from(u32::MAX)).and_then(|version| u64::try_from(version).ok());
    if version.is_some() && (write || params.contains_key("version")) {
        block.flaw("version", "is for plain reads of KV 2; leave method and params out");
    }
    version
}

/// Reads whether the engine wants a write. Parameters make one of it unless the job says otherwise.
fn method(block: &mut Fields<'_>, has_params: bool) -> bool {
    match block.text("method").as_deref() {
        None => has_params,
        Some("read") => false,
        Some("write") => true,
        Some(other) => {
            block.flaw("method", format_args!("{} is unknown; give read or write", quoted(other)));
            false
        }
    }
}

fn encoding(block: &mut Fields<'_>) -> Encoding {
    match block.text("encoding").as_deref() {
        None | Some("plain") => Encoding::Plain,
        Some("base64") => Encoding::Base64,
        Some(other) => {
            block.flaw("encoding", format_args!("{} is unknown; give plain or base64", quoted(other)));
            Encoding::Plain
        }
    }
}

fn format(block: &mut Fields<'_>) -> Format {
    let field = block.text("field");
    let format = match block.text("format").as_deref() {
        None | Some("files") => Format::Files,
        Some("dotenv") => Format::Dotenv,
        Some("json") => Format::Json,
        Some("properties") => Format::Properties,
        Some("raw") => return Format::Raw { field },
        Some("yaml") => Format::Yaml,
        Some(other) => {
            let known = "files, json, dotenv, properties, yaml or raw";
            block.flaw("format", format_args!("{} is unknown; give {known}", quoted(other)));
            return Format::Files;
        }
    };
    if field.is_some() {
        block.flaw("field", "is given, but format is not \"raw\"");
    }
    format
}

pub(super) fn map(block: &mut Fields<'_>, name: &'static str) -> BTreeMap<String, String> {
    let pairs = block.pairs(name);
    for (key, _) in pairs.iter().filter(|(key, value)| key.is_empty() || key.len() > 256 || value.len() > VALUE_MAX) {
        block.flaw(name, format_args!("{} has an empty or too long name, or more than {VALUE_MAX} bytes", quoted(key)));
    }
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::Access,
        driver::DriverError,
        plugin::config::{TaskOptions, task_options},
    };

    fn read(secret: &Value) -> Result<SecretRequest, DriverError> {
        let mut whole = json!({ "path": "kv/data/db" });
        whole.as_object_mut().expect("a block").extend(secret.as_object().expect("a block").clone());
        let config = json!({ "image": "web:1", "secret": { "db": whole } });
        let bytes = rmp_serde::to_vec_named(&config).expect("encoded");
        task_options(&bytes).map(|TaskOptions { mut secrets, .. }| secrets.remove(0))
    }

    #[test]
    fn a_block_is_read_whole() {
        let read = read(&json!({
            "version": 3, "encoding": "base64", "optional": true, "default": [{"a": "1"}, {"b": "2"}], "format": "raw",
            "field": "key", "file": "etc/key", "perms": "0440", "owner": "app", "group": "staff",
        }));
        let read = read.expect("good");
        assert_eq!((read.version, read.encoding, read.optional), (Some(3), Encoding::Base64, true));
        assert_eq!(read.defaults.into_iter().map(|(name, value)| name + &value).collect::<Vec<_>>(), ["a1", "b2"]);
        assert_eq!(read.format, Format::Raw { field: Some("key".into()) });
        assert_eq!(read.file.expect("a file").as_str(), "etc/key");
        let wanted = Access { mode: Some(0o440), owner: Some("app".into()), group: Some("staff".into()) };
        assert_eq!(read.access, wanted);
    }

    #[test]
    fn parameters_make_a_write_unless_the_job_says_read() {
        let write = |block: Value| read(&block).expect("good").write;
        assert!(write(json!({"params": [{"ttl": "1h"}]})) && write(json!({"method": "write"})));
        assert!(!write(json!({})) && !write(json!({"params": [{"ttl": "1h"}], "method": "read"})));
    }

    #[test]
    fn values_that_are_none_name_their_field() {
        for (block, named) in [
            (json!({"version": 0}), "secret \"db\".version: 0 is out of range"),
            (json!({"version": 2, "method": "write"}), ".version: is for plain reads"),
            (json!({"method": "POST"}), ".method: \"POST\" is unknown; give read or write"),
            (json!({"params": "x"}), ".params: is a text, must be a map of texts"),
            (json!({"params": [{"": "x"}]}), ".params: \"\" has an empty"),
            (json!({"encoding": "hex"}), ".encoding: \"hex\" is unknown"),
            (json!({"optional": "perhaps"}), ".optional: is a text, must be true or false"),
            (json!({"default": [{"a": 1}]}), ".default.a: is a number, must be a text"),
            (json!({"format": "toml"}), ".format: \"toml\" is unknown"),
            (json!({"field": "key"}), ".field: is given, but format is not \"raw\""),
            (json!({"file": "x"}), ".file: is given, but format is not one file"),
            (json!({"file": "../x", "format": "json"}), ".file: path \"../x\""),
            (json!({"perms": "0444"}), ".perms: \"0444\" opens a secret to everybody"),
            (json!({"owner": "a:b:c"}), ".owner: \"a:b:c\" is not a user's name"),
            (json!({"owner": "app:staff", "group": "x"}), ".group: is given, but owner names a group"),
            (json!({"group": "a:b"}), ".group: \"a:b\" is not a group's name"),
            (json!({"on_denied": "empty"}), ".on_denied: \"empty\" is unknown; give keep, remove, restart or stop"),
            (json!({"on_delete": "Stop"}), ".on_delete: \"Stop\" is unknown"),
            (json!({"fromat": "json"}), "did you mean \"format\"?"),
        ] {
            let error = read(&block).expect_err("is wrong").to_string();
            assert!(error.contains(named), "{block}: {error}");
        }
    }
}
