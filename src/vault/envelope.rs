//! The frame around every answer, with each field optional: servers leave out what is empty.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::port::{ChildToken, Reply};
use crate::domain::{Accessor, Lease, LeaseId, SecretString, Session};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 64;
/// Most values that are read.
const FIELDS_MAX: usize = 10_000;

/// An answer's frame.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    request_id: Option<String>,
    lease_id: Option<String>,
    renewable: Option<bool>,
    lease_duration: Option<u64>,
    pub(super) data: Option<Value>,
    warnings: Option<Vec<String>>,
    errors: Option<Vec<String>>,
    pub(super) auth: Option<Auth>,
    wrap_info: Option<WrapInfo>,
}

/// What a login or a token's renewal brings.
#[derive(Deserialize)]
pub(super) struct Auth {
    #[serde(default)]
    client_token: SecretString,
    accessor: Option<String>,
    policies: Option<Vec<String>>,
    token_policies: Option<Vec<String>>,
    lease_duration: Option<u64>,
    renewable: Option<bool>,
    orphan: Option<bool>,
}

/// What stands for an answer that was wrapped.
#[derive(Deserialize)]
struct WrapInfo {
    #[serde(default)]
    token: SecretString,
    wrapped_accessor: Option<String>,
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// They are no JSON of the wanted form.
    Malformed,
    /// They nest too deep or hold too many values.
    TooLarge,
}

impl Envelope {
    /// Reads an answer's body; none at all is an empty answer.
    ///
    /// The library's own message is dropped, because it may quote what it stumbled over.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        measure(body)?;
        // The reader would take a list for the fields in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unreadable::Malformed);
        }
        serde_json::from_slice(body).map_err(|_| Unreadable::Malformed)
    }

    /// Returns what the server says about a refusal: its errors, or failing those its warnings.
    pub(super) fn complaints(&self) -> &[String] {
        let errors = self.errors.as_deref().unwrap_or_default();
        if errors.is_empty() { self.warnings.as_deref().unwrap_or_default() } else { errors }
    }

    /// Says whether this is a secret of KV version 2 whose version was deleted or destroyed.
    pub(super) fn is_deleted_version(&self) -> bool {
        let at = |pointer: &str| self.data.as_ref().and_then(|data| data.pointer(pointer));
        let deleted = at("/metadata/deletion_time").and_then(Value::as_str).is_some_and(|time| !time.is_empty());
        let destroyed = at("/metadata/destroyed").and_then(Value::as_bool).unwrap_or_default();
        at("/data").is_none_or(Value::is_null) && (deleted || destroyed)
    }

    /// Returns the lease, when the server keeps one.
    pub(super) fn lease(&self) -> Option<Lease> {
        let id = self.lease_id.as_ref().filter(|id| !id.is_empty())?;
        Some(Lease {
            id: LeaseId(id.clone()),
            duration: Duration::from_secs(self.lease_duration.unwrap_or_default()),
            renewable: self.renewable.unwrap_or_default(),
        })
    }

    /// Returns the token that was made, or what is changed for it.
    pub(super) fn into_child(self) -> Option<ChildToken> {
        if let Some(wrapped) = self.wrap_info.filter(|wrapped| !wrapped.token.expose().is_empty()) {
            let accessor = wrapped.wrapped_accessor.filter(|accessor| !accessor.is_empty()).map(Accessor);
            let (token, duration) = (wrapped.token, Duration::ZERO);
            return Some(ChildToken { token, accessor, duration, renewable: false });
        }
        let Session { token, accessor, duration, renewable, .. } = self.auth?.into_session(None)?;
        (!token.expose().is_empty()).then_some(ChildToken { token, accessor, duration, renewable })
    }

    /// Returns the answer in the port's form.
    pub(super) fn into_reply(self) -> Reply {
        Reply {
            lease: self.lease(),
            lease_duration: Duration::from_secs(self.lease_duration.unwrap_or_default()),
            request_id: self.request_id.unwrap_or_default(),
            data: Arc::new(self.data.unwrap_or_default()),
            warnings: self.warnings.unwrap_or_default(),
        }
    }
}

impl Auth {
    /// Says whether the token lives on when the one that made it ends; a server that does not say so means no.
    pub(super) fn is_orphan(&self) -> bool {
        self.orphan.unwrap_or_default()
    }

    /// Returns the session; the token is `known` when the server does not repeat it.
    pub(super) fn into_session(self, known: Option<&SecretString>) -> Option<Session> {
        let token = match self.client_token.expose() {
            "" => known?.clone(),
            _ => self.client_token,
        };
        Some(Session {
            token,
            accessor: self.accessor.filter(|accessor| !accessor.is_empty()).map(Accessor),
            duration: Duration::from_secs(self.lease_duration.unwrap_or_default()),
            renewable: self.renewable.unwrap_or_default(),
            // Those of the token and those of its identity.
            policies: self.policies.or(self.token_policies).unwrap_or_default(),
        })
    }
}

/// Counts nesting and values before anything is built, so that a hostile answer costs one walk over its bytes.
fn measure(body: &[u8]) -> Result<(), Unreadable> {
    let (mut depth, mut fields) = (0_usize, 1_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => fields += 1,
            _ => {}
        }
        if depth > DEPTH_MAX || fields > FIELDS_MAX {
            return Err(Unreadable::TooLarge);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Envelope, Unreadable> {
        Envelope::parse(text.as_bytes())
    }

    #[test]
    fn an_answer_may_leave_everything_out() {
        for text in ["", "{}", r#"{"data":null,"warnings":null,"auth":null,"lease_id":""}"#] {
            let reply = parse(text).expect("an answer").into_reply();
            assert!(reply.lease.is_none() && reply.data.is_null(), "{text}");
        }
    }

    #[test]
    fn a_login_without_policies_is_a_login() {
        let auth =
            parse(r#"{"auth":{"client_token":"s.x","lease_duration":60}}"#).ok().and_then(|e| e.auth).expect("auth");
        let session = auth.into_session(None).expect("a session");
        assert_eq!((session.token.expose(), session.duration), ("s.x", Duration::from_secs(60)));
        assert!(session.policies.is_empty() && session.accessor.is_none());
    }

    #[test]
    fn a_login_without_token_is_none() {
        let auth = parse(r#"{"auth":{"accessor":"a"}}"#).ok().and_then(|e| e.auth).expect("auth");
        assert!(auth.into_session(None).is_none());
    }

    #[test]
    fn deep_and_wide_answers_are_refused_unread() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(parse(&deep).err(), Some(Unreadable::TooLarge));
        let wide = format!("[{}0]", "0,".repeat(20_000));
        assert_eq!(parse(&wide).err(), Some(Unreadable::TooLarge));
        let text = format!(r#"{{"data":{{"text":"{}"}}}}"#, "[,\\\"".repeat(20_000));
        assert!(parse(&text).is_ok());
    }

    #[test]
    fn other_texts_are_malformed() {
        for text in ["<html>", "{\"data\":", "[]", "42", "{} x"] {
            assert_eq!(parse(text).err(), Some(Unreadable::Malformed), "{text}");
        }
    }

    #[test]
    fn only_a_version_without_data_is_deleted() {
        let says = |text: &str| parse(text).expect("an answer").is_deleted_version();
        assert!(says(
            r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z","destroyed":false}}}"#
        ));
        assert!(says(r#"{"data":{"data":null,"metadata":{"deletion_time":"","destroyed":true}}}"#));
        assert!(!says(r#"{"data":{"data":{"a":1},"metadata":{"deletion_time":"2999-01-01T00:00:00Z"}}}"#));
        assert!(!says(r#"{"errors":[]}"#));
    }
}
