//! Blocks that are secrets of a special make: values that Transit decrypts, SSH certificates, the task's own token.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use super::{
    access::access,
    fields::{Fields, quoted},
    secret::map,
    task::Reader,
    upkeep::upkeep_of_secret,
};
use crate::domain::{ChangeAction, Craft, Encoding, Format, RelPath, SecretRequest, ServerPath, SshKeyType};

const TTL: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(365 * 86_400);
/// Life of a task's own token between renewals unless the job says otherwise.
const TOKEN_TTL: Duration = Duration::from_secs(3600);
const WRAP_TTL: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(86_400);
/// Most values of one block.
const VALUES_MAX: usize = 32;

impl Reader<'_> {
    /// Reads `decrypt` blocks: each value is a request and a file of its own.
    pub(super) fn decrypts(&self, fields: &mut Fields<'_>) -> Vec<SecretRequest> {
        fields.labelled("decrypt").into_iter().flat_map(|(label, block)| self.decrypt(&label, block)).collect()
    }

    fn decrypt(&self, label: &str, mut block: Fields<'_>) -> Vec<SecretRequest> {
        let name = self.name("decrypt", label);
        let path = self.key_path(&mut block, label);
        let context = block.text("context");
        let values = self.values(&mut block, label, name.as_ref());
        let (access, upkeep) = (access(&mut block), upkeep_of_secret(&mut block, ChangeAction::Noop));
        block.finish();
        let Some(path) = path else { return Vec::new() };
        let request = |(name, ciphertext): (RelPath, String)| {
            let context = context.iter().map(|context| ("context".to_owned(), context.clone()));
            SecretRequest {
                write: true,
                params: context.chain([("ciphertext".to_owned(), ciphertext)]).collect(),
                encoding: Encoding::Base64,
                format: Format::Raw { field: Some("plaintext".to_owned()) },
                access: access.clone(),
                ..SecretRequest::new(name, path.clone(), upkeep.clone())
            }
        };
        values.into_iter().map(request).collect()
    }

    /// Reads `key`, the engine's mount and the key's name in it.
    fn key_path(&self, block: &mut Fields<'_>, label: &str) -> Option<ServerPath> {
        let key = block.required_text("key");
        let Some((mount, key)) = key.rsplit_once('/') else {
            if !key.is_empty() {
                block.flaw("key", format_args!("{} is no \"mount/key\" such as \"transit/app\"", quoted(&key)));
            }
            return None;
        };
        let refused = |error| self.paths.add(&format!("decrypt {}.key", quoted(label)), error);
        format!("{mount}/decrypt/{key}").parse().map_err(refused).ok()
    }

    /// Reads the encrypted values with the names of their files: one that bears the block's name, or several below it.
    fn values(&self, block: &mut Fields<'_>, label: &str, name: Option<&RelPath>) -> Vec<(RelPath, String)> {
        let single = block.text("ciphertext");
        let several = map(block, "fields");
        match (&single, several.len()) {
            (None, 0) => block.flaw("ciphertext", "is missing; give it, or fields with several"),
            (Some(_), 1..) => block.flaw("fields", "are given beside ciphertext; give one of the two"),
            (_, count) if count > VALUES_MAX => {
                block.flaw("fields", format_args!("{count} values; at most {VALUES_MAX} are taken"));
            }
            _ => {}
        }
        for (field, text) in
            single.iter().map(|text| ("ciphertext", text)).chain(several.iter().map(|(f, t)| (f.as_str(), t)))
        {
            if !text.starts_with("vault:v") {
                // What was meant to be encrypted and is not must not stand in a message.
                block.flaw(field, "does not begin with \"vault:v\", as what Transit has encrypted does");
            }
        }
        let Some(name) = name else { return Vec::new() };
        let refused = |error| self.paths.add(&format!("decrypt {}.fields", quoted(label)), error);
        let below =
            several.into_iter().filter_map(|(field, text)| Some((name.join(&field).map_err(refused).ok()?, text)));
        single.map(|text| (name.clone(), text)).into_iter().chain(below).collect()
    }

    /// Reads `ssh_certificate` blocks.
    pub(super) fn ssh_certificates(&self, fields: &mut Fields<'_>) -> Vec<SecretRequest> {
        let blocks = fields.labelled("ssh_certificate").into_iter();
        blocks.filter_map(|(label, block)| self.ssh_certificate(&label, block)).collect()
    }

    fn ssh_certificate(&self, label: &str, mut block: Fields<'_>) -> Option<SecretRequest> {
        let name = self.name("ssh_certificate", label);
        let (mount, role) = (block.required_text("mount"), block.required_text("role"));
        let path = (!mount.is_empty() && !role.is_empty()).then(|| format!("{mount}/sign/{role}"));
        let refused = |error| self.paths.add(&format!("ssh_certificate {}.mount", quoted(label)), error);
        let path: Option<ServerPath> = path.and_then(|path| path.parse().map_err(refused).ok());
        let mut params = BTreeMap::from([
            ("valid_principals".to_owned(), principals(&mut block)),
            ("cert_type".to_owned(), cert_type(&mut block)),
        ]);
        if let Some(ttl) = block.duration("ttl", TTL) {
            params.insert("ttl".to_owned(), format!("{}s", ttl.as_secs()));
        }
        let extensions = map(&mut block, "extensions");
        if !extensions.is_empty() {
            params.insert("extensions".to_owned(), serde_json::json!(extensions).to_string());
        }
        let craft = Craft::SshKey(key_type(&mut block));
        let (access, upkeep) = (access(&mut block), upkeep_of_secret(&mut block, ChangeAction::Noop));
        block.finish();
        Some(SecretRequest { write: true, params, craft, access, ..SecretRequest::new(name?, path?, upkeep) })
    }

    /// Reads `vault_token` blocks.
    pub(super) fn tokens(&self, fields: &mut Fields<'_>) -> Vec<SecretRequest> {
        let blocks = fields.blocks("vault_token").into_iter().enumerate();
        blocks.filter_map(|(at, block)| self.token(at, block)).collect()
    }

    fn token(&self, at: usize, mut block: Fields<'_>) -> Option<SecretRequest> {
        let refused = |error| self.paths.add(&format!("vault_token[{at}].file"), error);
        let name = block.text("file").unwrap_or_else(|| "vault_token".to_owned()).parse().map_err(refused).ok();
        let ttl = block.duration("ttl", TTL).unwrap_or(TOKEN_TTL);
        let policies = block.texts("policies");
        if let Some(bad) = policies.iter().find(|policy| policy.is_empty() || policy.contains([',', ' ', '\n'])) {
            block.flaw("policies", format_args!("{} is no policy's name", quoted(bad)));
        }
        let mut params = BTreeMap::from([("ttl".to_owned(), format!("{}s", ttl.as_secs()))]);
        if !policies.is_empty() {
            params.insert("policies".to_owned(), policies.join(","));
        }
        let craft = Craft::Token { wrap: block.duration("wrap_ttl", WRAP_TTL) };
        let (access, upkeep) = (access(&mut block), upkeep_of_secret(&mut block, ChangeAction::Noop));
        block.finish();
        let request = SecretRequest::new(name?, ServerPath::child_token(), upkeep);
        Some(SecretRequest { write: true, params, craft, access, format: Format::Raw { field: None }, ..request })
    }
}

/// Reads whom an SSH certificate is for. Nobody named would mean everybody, which is never asked for.
fn principals(block: &mut Fields<'_>) -> String {
    let names = block.texts("valid_principals");
    if names.is_empty() {
        block.flaw("valid_principals", "is missing; a certificate for nobody in particular is one for everybody");
    }
    let good = |c: char| c.is_ascii_alphanumeric() || "_.@:/-".contains(c);
    for bad in names.iter().filter(|name| name.is_empty() || name.len() > 255 || !name.chars().all(good)) {
        block.flaw("valid_principals", format_args!("{} is no user's or host's name", quoted(bad)));
    }
    names.join(",")
}

fn cert_type(block: &mut Fields<'_>) -> String {
    match block.text("cert_type") {
        None => "user".to_owned(),
        Some(kind) if kind == "user" || kind == "host" => kind,
        Some(other) => {
            block.flaw("cert_type", format_args!("{} is unknown; give user or host", quoted(&other)));
            "user".to_owned()
        }
    }
}

fn key_type(block: &mut Fields<'_>) -> SshKeyType {
    match block.text("key_type").as_deref() {
        None | Some("ed25519") => SshKeyType::Ed25519,
        Some("ecdsa") => SshKeyType::Ecdsa,
        Some("rsa") => SshKeyType::Rsa,
        Some(other) => {
            block.flaw("key_type", format_args!("{} is unknown; give ed25519, ecdsa or rsa", quoted(other)));
            SshKeyType::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        driver::DriverError,
        plugin::config::{TaskOptions, task_options},
    };

    fn read(config: &Value) -> Result<Vec<SecretRequest>, DriverError> {
        let mut whole = json!({ "image": "web:1" });
        whole.as_object_mut().expect("a block").extend(config.as_object().expect("a block").clone());
        let bytes = rmp_serde::to_vec_named(&whole).expect("encoded");
        task_options(&bytes).map(|TaskOptions { secrets, .. }| secrets)
    }

    #[test]
    fn each_encrypted_value_is_a_file() {
        let one = json!({"decrypt": {"key": {"key": "transit/app", "ciphertext": "vault:v1:AA"}}});
        let read_one = read(&one).expect("good");
        assert_eq!((read_one[0].path.as_str(), read_one[0].output().as_str()), ("transit/decrypt/app", "key"));
        let two = json!({"decrypt": {"app": {
            "key": "a/b/app", "fields": [{"user": "vault:v1:AA", "password": "vault:v2:BB"}], "perms": "0440",
        }}});
        let read = read(&two).expect("good");
        assert_eq!(read.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["app/password", "app/user"]);
        assert!(read.iter().all(|one| one.path.as_str() == "a/b/decrypt/app" && one.access.mode == Some(0o440)));
    }

    #[test]
    fn an_ssh_certificate_is_for_somebody_in_particular() {
        let block = json!({"mount": "ssh", "role": "app", "valid_principals": ["app", "ops"], "key_type": "rsa",
            "ttl": "30m", "extensions": [{"permit-pty": ""}]});
        let read = read(&json!({"ssh_certificate": {"id": block}})).expect("good");
        assert_eq!((read[0].path.as_str(), &read[0].craft), ("ssh/sign/app", &Craft::SshKey(SshKeyType::Rsa)));
        let param = |name: &str| read[0].params.get(name).map(String::as_str);
        assert_eq!((param("valid_principals"), param("cert_type")), (Some("app,ops"), Some("user")));
        assert_eq!((param("ttl"), param("extensions")), (Some("1800s"), Some("{\"permit-pty\":\"\"}")));
    }

    #[test]
    fn a_token_is_a_child_and_one_file() {
        let read = read(&json!({"vault_token": [{}, {"file": "t/wrapped", "wrap_ttl": "5m", "policies": ["a", "b"]}]}));
        let read = read.expect("good");
        assert_eq!((read[0].output().as_str(), &read[0].path), ("vault_token", &ServerPath::child_token()));
        assert_eq!(read[1].craft, Craft::Token { wrap: Some(Duration::from_secs(300)) });
        assert_eq!(read[1].params.get("policies").map(String::as_str), Some("a,b"));
    }

    #[test]
    fn values_that_are_none_name_their_field() {
        let decrypt = |block: Value| json!({ "decrypt": { "x": block } });
        let ssh = |more: Value| {
            let mut block = json!({"mount": "ssh", "role": "app", "valid_principals": ["app"]});
            block.as_object_mut().expect("a block").extend(more.as_object().expect("a block").clone());
            json!({ "ssh_certificate": { "x": block } })
        };
        for (config, named) in [
            (decrypt(json!({"key": "transit", "ciphertext": "vault:v1:A"})), "decrypt \"x\".key: \"transit\" is no"),
            (decrypt(json!({"key": "sys/x", "ciphertext": "vault:v1:A"})), "belongs to the server itself"),
            (decrypt(json!({"key": "t/k"})), ".ciphertext: is missing"),
            (decrypt(json!({"key": "t/k", "ciphertext": "hunter2"})), ".ciphertext: does not begin with"),
            (
                decrypt(json!({"key": "t/k", "ciphertext": "vault:v1:A", "fields": [{"a": "vault:v1:A"}]})),
                ".fields: are given",
            ),
            (decrypt(json!({"key": "t/k", "fields": [{"../a": "vault:v1:A"}]})), "decrypt \"x\".fields: path"),
            (ssh(json!({"valid_principals": []})), ".valid_principals: is missing"),
            (ssh(json!({"valid_principals": ["a,root"]})), ".valid_principals: \"a,root\" is no user's"),
            (ssh(json!({"valid_principals": ["*"]})), ".valid_principals: \"*\" is no user's"),
            (ssh(json!({"cert_type": "both"})), ".cert_type: \"both\" is unknown"),
            (ssh(json!({"key_type": "dsa"})), ".key_type: \"dsa\" is unknown"),
            (ssh(json!({"ttl": "1s"})), ".ttl: \"1s\" is out of range"),
            (ssh(json!({"role": "../x"})), "ssh_certificate \"x\".mount: path"),
            (json!({"vault_token": [{"file": "/etc/x"}]}), "vault_token[0].file: path"),
            (json!({"vault_token": [{"policies": ["a,root"]}]}), "vault_token[0].policies: \"a,root\" is no policy"),
            (json!({"vault_token": [{"wrap_ttl": "1s"}]}), "vault_token[0].wrap_ttl: \"1s\" is out of range"),
        ] {
            let error = read(&config).expect_err("is wrong").to_string();
            assert!(error.contains(named) && !error.contains("hunter2"), "{config}: {error}");
        }
    }
}
