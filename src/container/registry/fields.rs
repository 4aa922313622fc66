//! Reads a credential out of a secret's fields.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Credential, Login, Source};
use crate::domain::SecretString;

/// Makes a credential of a secret's fields: `identity_token`, `registry_token`, `username` with `password`, or `auth`.
///
/// # Errors
/// Says which fields are wanted; names no value.
pub fn credential_of(fields: &Map<String, Value>, source: Source) -> Result<Credential, String> {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| fields.get(*name).and_then(Value::as_str));
        found.filter(|text| !text.is_empty())
    };
    if let Some(token) = text(&["identity_token", "identitytoken"]) {
        return Ok(Credential { login: Login::IdentityToken(SecretString::new(token)), source });
    }
    if let Some(token) = text(&["registry_token", "registrytoken"]) {
        return Ok(Credential { login: Login::RegistryToken(SecretString::new(token)), source });
    }
    if let (Some(user), Some(password)) = (text(&["username", "user"]), text(&["password"])) {
        return Ok(Credential::of_pair(user, SecretString::new(password), source));
    }
    if let Some((user, password)) = text(&["auth"]).and_then(split_auth) {
        return Ok(Credential::of_pair(user, password, source));
    }
    let mut names: Vec<String> = fields.keys().take(8).map(|name| name.escape_debug().to_string()).collect();
    names.sort();
    Err(format!(
        "holds no credential of a registry: wanted are the fields username and password, or identity_token; it has {}",
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    ))
}

/// Splits the usual `user:password` in base64.
pub(super) fn split_auth(text: &str) -> Option<(String, SecretString)> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let pair = std::str::from_utf8(&bytes).ok()?;
    let (user, password) = pair.split_once(':')?;
    // Some clients pad the password with NUL.
    Some((user.to_owned(), SecretString::new(password.trim_end_matches('\0'))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: Value) -> Result<Credential, String> {
        credential_of(fields.as_object().expect("fields"), Source::Vault("kv/data/registry".into()))
    }

    #[test]
    fn a_secret_holds_a_pair_or_a_token() {
        let pair = Login::Password { username: "me".into(), password: SecretString::new("p:w") };
        assert_eq!(read(json!({"username": "me", "password": "p:w"})).expect("a pair").login, pair);
        assert_eq!(read(json!({"auth": STANDARD.encode("me:p:w")})).expect("a pair").login, pair);
        let token = read(json!({"identity_token": "t", "username": "me"})).expect("a token").login;
        assert_eq!(token, Login::IdentityToken(SecretString::new("t")));
    }

    #[test]
    fn what_is_missing_is_named_without_a_value() {
        let error = read(json!({"user_name": "me", "pass": "hunter2"})).expect_err("no credential");
        assert!(error.contains("username and password") && error.contains("pass, user_name"), "{error}");
        assert!(!error.contains("hunter2"));
    }
}
