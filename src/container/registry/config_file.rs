//! The file that `docker login` writes: `auths`, `credHelpers`, `credsStore`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    HelperName, Login,
    fields::split_auth,
    names::{canonical_host, keys, normal_key},
};
use crate::{container::ImageRef, domain::SecretString};

/// What the file says; fields that other programs keep there are passed over.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigFile {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

/// One registry's entry. A client that keeps its credentials in a store leaves an empty one behind.
#[derive(Clone, Default, Deserialize)]
struct Entry {
    auth: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    identitytoken: Option<SecretString>,
    registrytoken: Option<SecretString>,
}

/// What the file knows about an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A helper keeps it.
    Ask(HelperName),
    /// The file holds it.
    Held(Login),
    /// Nothing.
    Nothing,
}

impl ConfigFile {
    /// Reads the file's bytes.
    ///
    /// # Errors
    /// Says where it is malformed, without quoting it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| {
            format!("is not of docker's config.json: line {}, column {}", error.line(), error.column())
        })
    }

    /// Finds what the file knows: an entry that holds something, then the registry's helper, then the store for all.
    ///
    /// # Errors
    /// An entry or a helper's name is malformed.
    pub(super) fn find(&self, image: &ImageRef) -> Result<Found, String> {
        if let Some(login) = self.held(image)? {
            return Ok(Found::Held(login));
        }
        let helper = self.helper(image).filter(|name| !name.is_empty());
        helper.map_or(Ok(Found::Nothing), |name| name.parse().map(Found::Ask).map_err(|error| format!("{error}")))
    }

    fn held(&self, image: &ImageRef) -> Result<Option<Login>, String> {
        let Some(auths) = &self.auths else { return Ok(None) };
        for key in keys(image) {
            // The plain spelling goes before those with a scheme, so that the answer does not depend on the file's order.
            let exact = auths.get_key_value(&key).into_iter();
            let others = auths.iter().filter(|(written, _)| **written != key && normal_key(written) == key);
            for (written, entry) in exact.chain(others) {
                let login = entry.as_ref().map_or(Ok(None), Entry::login);
                match login.map_err(|why| format!("entry {written:?} {why}"))? {
                    Some(login) => return Ok(Some(login)),
                    None => continue,
                }
            }
        }
        Ok(None)
    }

    fn helper(&self, image: &ImageRef) -> Option<&String> {
        let host = canonical_host(image.registry());
        let helpers = self.cred_helpers.iter().flatten();
        let own = helpers.filter(|(key, _)| normal_key(key) == host).map(|(_, name)| name).next();
        own.or(self.creds_store.as_ref())
    }
}

impl Entry {
    fn login(&self) -> Result<Option<Login>, &'static str> {
        let there = |secret: &Option<SecretString>| secret.clone().filter(|secret| !secret.expose().is_empty());
        if let Some(token) = there(&self.identitytoken) {
            return Ok(Some(Login::IdentityToken(token)));
        }
        if let Some(token) = there(&self.registrytoken) {
            return Ok(Some(Login::RegistryToken(token)));
        }
        if let Some(auth) = there(&self.auth) {
            let (username, password) =
                split_auth(auth.expose()).ok_or("has an auth that is no base64 of user:password")?;
            return Ok(Some(Login::Password { username, password }));
        }
        let username = self.username.clone().filter(|user| !user.is_empty());
        Ok(username.zip(there(&self.password)).map(|(username, password)| Login::Password { username, password }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn find(file: Value, image: &str) -> Result<Found, String> {
        ConfigFile::parse(file.to_string().as_bytes())?.find(&image.parse().expect("a reference"))
    }

    fn pair(username: &str) -> Result<Found, String> {
        Ok(Found::Held(Login::Password { username: username.into(), password: SecretString::new("w") }))
    }

    fn helper(name: &str) -> Result<Found, String> {
        Ok(Found::Ask(name.parse().expect("a name")))
    }

    /// `me:w`, `team:w`.
    const ME: &str = "bWU6dw==";
    const TEAM: &str = "dGVhbTp3";

    #[test]
    fn an_entry_that_holds_something_goes_first() {
        let file = json!({"auths": {"r.example": {"auth": ME}}, "credHelpers": {"r.example": "x"}, "credsStore": "y"});
        assert_eq!(find(file.clone(), "r.example/a"), pair("me"));
        assert_eq!(find(file, "other.example/a"), helper("y"));
    }

    #[test]
    fn an_empty_entry_does_not_hide_the_store() {
        for empty in [json!({}), json!({"auth": ""}), json!(null), json!({"email": "a@b"})] {
            let file = json!({"auths": {"r.example": empty}, "credsStore": "desktop"});
            assert_eq!(find(file, "r.example/a"), helper("desktop"));
        }
        let file = json!({"auths": {"r.example": {}}, "credHelpers": {"https://r.example": "own"}, "credsStore": "y"});
        assert_eq!(find(file, "r.example/a"), helper("own"));
    }

    #[test]
    fn the_longest_path_wins_whatever_the_order() {
        let file = json!({"auths": {"r.example": {"auth": ME}, "r.example/team": {"auth": TEAM}}});
        assert_eq!(find(file.clone(), "r.example/team/app:1"), pair("team"));
        assert_eq!(find(file.clone(), "r.example/teams/app:1"), pair("me"));
        assert_eq!(find(file, "r.example/x"), pair("me"));
    }

    #[test]
    fn the_hub_is_known_by_its_old_address() {
        let file = json!({"auths": {"https://index.docker.io/v1/": {"username": "me", "password": "w"}}});
        assert_eq!(find(file.clone(), "busybox"), pair("me"));
        assert_eq!(find(file, "quay.io/x/y"), Ok(Found::Nothing));
    }

    #[test]
    fn an_identity_token_goes_before_the_user_beside_it() {
        let file = json!({"auths": {"r.example": {"auth": ME, "identitytoken": "t"}}});
        let token = Login::IdentityToken(SecretString::new("t"));
        assert_eq!(find(file, "r.example/a"), Ok(Found::Held(token)));
    }

    #[test]
    fn what_is_malformed_is_told_without_its_value() {
        let errors = [
            find(json!({"auths": {"r.example": {"auth": "hunter2!"}}}), "r.example/a"),
            find(json!({"auths": {"r.example": "hunter2"}}), "r.example/a"),
            find(json!({"credsStore": "../hunter"}), "r.example/a"),
        ];
        for error in errors {
            let error = error.expect_err("malformed");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
