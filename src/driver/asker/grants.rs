//! What a denial means: what the token may do at the path, and which line its policies lack.
//!
//! The server's own words for every denial are the same. Only it can tell what the policies of a token come to, since
//! patterns, templates and denials of several of them meet there.

use super::{AskError, Asker};
use crate::{
    domain::{SecretString, ServerPath},
    template::Dependency,
    vault::Kind,
};

/// What a request that sends something needs.
pub(super) const UPDATE: &str = "update";

/// Returns what a policy has to grant for `dependency`.
pub(super) fn wanted(dependency: &Dependency) -> &'static str {
    match dependency {
        write if write.is_write() => UPDATE,
        list if list.is_list() => "list",
        _ => "read",
    }
}

impl Asker {
    /// Adds to a denial what the token may do there instead of what was `wanted`. Where the server does not tell, the denial
    /// stays as it is.
    pub(super) async fn explain_denial<T>(
        &self,
        token: &SecretString,
        wanted: &str,
        mut outcome: Result<T, AskError>,
    ) -> Result<T, AskError> {
        let Err(AskError::Vault { path: Some(path), source, hint, .. }) = &mut outcome else { return outcome };
        if source.kind() == Kind::Denied
            && let Ok(may) = self.vault.capabilities(token, path).await
        {
            *hint = words(path, wanted, &may, &self.seats.policies(token));
        }
        outcome
    }
}

/// Returns what to add to a denial, for a token that `may` do so much.
fn words(path: &ServerPath, wanted: &str, may: &[String], policies: &[String]) -> String {
    let has = |word: &str| may.iter().any(|one| one == word);
    if has(wanted) || has("root") {
        return format!(
            "; the token may {wanted} {path} by now: a policy was just changed, or it wants or forbids parameters of the request"
        );
    }
    let owner = match policies {
        [] => String::new(),
        names => format!(" with policies {names:?}"),
    };
    let line = format!("path \"{path}\" {{ capabilities = [\"{wanted}\"] }}");
    match may.is_empty() || has("deny") {
        true => format!(
            "; the token{owner} may do nothing at {path}: one of its policies has to say {line}, and none may deny it"
        ),
        false => {
            format!("; the token{owner} may only {} at {path}: one of its policies has to say {line}", may.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(may: &[&str], policies: &[&str]) -> String {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        words(&"kv/data/a".parse().expect("a path"), "read", &texts(may), &texts(policies))
    }

    #[test]
    fn a_denial_names_the_line_that_is_wanting() {
        let line = "has to say path \"kv/data/a\" { capabilities = [\"read\"] }";
        for (may, found) in [(&["deny"][..], "may do nothing at kv/data/a"), (&[], "may do nothing at kv/data/a")] {
            let text = said(may, &["default", "shop"]);
            assert!(text.contains(found) && text.contains(line), "{text}");
            assert!(text.contains("the token with policies [\"default\", \"shop\"]"), "{text}");
        }
        let text = said(&["create", "list"], &[]);
        assert!(text.contains("the token may only create, list at kv/data/a") && text.contains(line), "{text}");
    }

    #[test]
    fn a_denial_of_what_is_granted_names_no_line() {
        for may in [&["read"][..], &["root"]] {
            let text = said(may, &["shop"]);
            assert!(text.contains("by now") && !text.contains("has to say"), "{text}");
        }
    }

    #[test]
    fn each_kind_of_request_needs_its_own_word() {
        let path: ServerPath = "kv/data/a".parse().expect("a path");
        assert_eq!(wanted(&Dependency::read(path.clone())), "read");
        assert_eq!(wanted(&Dependency::list(path.clone())), "list");
        assert_eq!(wanted(&Dependency::write(path, Default::default())), "update");
    }
}
