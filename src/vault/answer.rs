//! What an answer means: good, refused, moved, or none of this API; and the plain facts in its data.

use std::time::{Duration, SystemTime};

use http::header;
use reqwest::Url;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Error, Health, Kind, KvMount, LeaseInfo, TokenInfo,
    envelope::{Envelope, Unreadable},
    error::kind_of,
    http::Answer,
};
use crate::domain::{Accessor, LeaseId};

/// Longest time that a server may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Returns the envelope of a good answer, or the error that another answer means.
pub(super) fn understand(action: &str, answer: Answer, address: &str) -> Result<Envelope, Error> {
    let retry_after = retry_after(&answer);
    let status = answer.status;
    let parsed = Envelope::parse(&answer.body);
    match (status, parsed) {
        (200..=299, Ok(envelope)) => Ok(envelope),
        (200..=299, Err(Unreadable::Malformed)) => Err(Error::answered(Kind::Malformed, action, status, &[], None)),
        (200..=299, Err(Unreadable::TooLarge)) => Err(Error::new(Kind::TooLarge, action, "too deep or too wide")),
        (300..=399, _) => Err(redirected(action, &answer, address)),
        (404, Ok(envelope)) if envelope.is_deleted_version() => {
            Err(Error::answered(Kind::Deleted, action, status, &[], None))
        }
        (_, Ok(envelope)) => {
            let said = envelope.complaints();
            Err(Error::answered(kind_of(status, said), action, status, said, retry_after))
        }
        // A balancer's page; what it says is not the server's word.
        (_, Err(_)) => Err(Error::answered(kind_of(status, &[]), action, status, &[], retry_after)),
    }
}

/// Returns the error for a redirect, which is never followed: the token would go where nobody configured.
fn redirected(action: &str, answer: &Answer, address: &str) -> Error {
    let target = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = target.and_then(|location| Url::parse(address).and_then(|base| base.join(location)).ok());
    let elsewhere = |target: &Url| Url::parse(address).is_ok_and(|base| base.origin() != target.origin());
    let (kind, why) = match target.filter(elsewhere) {
        Some(target) => {
            let host = target.host_str().unwrap_or_default();
            let why = "which is not followed; configure the active node's address or let standbys forward";
            (Kind::Unavailable, format!("the server redirects to {host:?}, {why}"))
        }
        None => (Kind::Invalid, "the server redirects to another path, which is not followed".to_owned()),
    };
    Error::answered(kind, action, answer.status, &[why], None)
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// What an answer says about the server that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It serves, whatever it thinks of the request.
    Serves,
    /// It does not serve now and has not looked at the request.
    Refers,
    /// It, or what stands before it, does not serve; nobody knows what became of the request.
    Unsure,
    /// Too much was asked of it.
    Flooded,
}

/// Returns what `answer` says about its server.
pub(super) fn standing(answer: &Answer) -> Standing {
    let parsed = Envelope::parse(&answer.body).ok();
    let says = |hint: &str| parsed.iter().flat_map(|envelope| envelope.complaints()).any(|text| text.contains(hint));
    match answer.status {
        429 => Standing::Flooded,
        // Not initialised; and the codes of a standby that cannot forward.
        472..=474 | 501 | 530 => Standing::Refers,
        500 if says("local node not active") => Standing::Refers,
        503 if says("sealed") || says("no active") || says("standby") => Standing::Refers,
        502..=504 => Standing::Unsure,
        _ => Standing::Serves,
    }
}

/// Returns where a redirect leads, when it leads to the same path and query of another server.
pub(super) fn moved_to(answer: &Answer, base: &Url) -> Option<Url> {
    if !matches!(answer.status, 307 | 308) {
        return None;
    }
    let location = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    base.join(location).ok()
}

/// Returns how long the server asked to be left alone, when it did.
pub(super) fn asked_pause(answer: &Answer) -> Option<Duration> {
    retry_after(answer)
}

/// Returns how the server is, when the body says so, whatever the status.
pub(super) fn health(body: &[u8]) -> Option<Health> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Some(Health {
        initialized: body.get("initialized")?.as_bool()?,
        sealed: body.get("sealed")?.as_bool()?,
        standby: flag(&body, "standby"),
        version: text(&body, "version"),
        cluster: text(&body, "cluster_name"),
    })
}

/// Returns what the data says about a token.
pub(super) fn token_info(data: &Value) -> TokenInfo {
    let policies = data.get("policies").and_then(Value::as_array).into_iter().flatten();
    TokenInfo {
        accessor: Some(text(data, "accessor")).filter(|accessor| !accessor.is_empty()).map(Accessor),
        ttl: seconds(data, "ttl"),
        creation_ttl: seconds(data, "creation_ttl"),
        explicit_max_ttl: seconds(data, "explicit_max_ttl"),
        renewable: flag(data, "renewable"),
        policies: policies.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        kind: text(data, "type"),
    }
}

/// Returns what the data says about a lease.
pub(super) fn lease_info(lease: &LeaseId, data: &Value) -> LeaseInfo {
    let issued = OffsetDateTime::parse(&text(data, "issue_time"), &Rfc3339).ok();
    LeaseInfo {
        id: lease.clone(),
        ttl: seconds(data, "ttl"),
        renewable: flag(data, "renewable"),
        issued: issued.map(SystemTime::from),
    }
}

/// Returns the mount, when it is one of the KV engine.
pub(super) fn kv_mount(data: &Value) -> Option<KvMount> {
    if !matches!(text(data, "type").as_str(), "kv" | "generic") {
        return None;
    }
    let version = data.pointer("/options/version").and_then(Value::as_str);
    let version = if version == Some("2") { 2 } else { 1 };
    Some(KvMount { mount: text(data, "path").trim_end_matches('/').to_owned(), version })
}

fn text(data: &Value, key: &str) -> String {
    data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn flag(data: &Value, key: &str) -> bool {
    data.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn seconds(data: &Value, key: &str) -> Duration {
    Duration::from_secs(data.get(key).and_then(Value::as_u64).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn health_needs_its_two_facts_and_no_more() {
        let standby = health(br#"{"initialized":true,"sealed":false,"standby":true}"#).expect("healthy");
        assert!(standby.ready() && standby.standby);
        assert!(!health(br#"{"initialized":false,"sealed":true}"#).expect("an answer").ready());
        assert!(health(br#"{"errors":[]}"#).is_none() && health(b"<html>").is_none());
    }

    #[test]
    fn only_kv_engines_have_a_version() {
        let mount = |kind: &str, options: Value| kv_mount(&json!({"type": kind, "path": "a/b/", "options": options}));
        assert_eq!(mount("kv", json!({"version": "2"})), Some(KvMount { mount: "a/b".to_owned(), version: 2 }));
        assert_eq!(mount("kv", Value::Null).map(|mount| mount.version), Some(1));
        assert_eq!(mount("pki", Value::Null), None);
    }

    #[test]
    fn an_answer_shows_whether_its_server_serves() {
        let of = |status: u16, text: &str| {
            let body = zeroize::Zeroizing::new(json!({"errors": [text]}).to_string().into_bytes());
            standing(&Answer { status, headers: http::HeaderMap::new(), body })
        };
        assert_eq!(of(503, "Vault is sealed"), Standing::Refers);
        assert_eq!(of(503, "no active Vault instance found"), Standing::Refers);
        assert_eq!(of(500, "local node not active but active cluster node not found"), Standing::Refers);
        assert_eq!(of(473, ""), Standing::Refers);
        assert_eq!(of(500, "1 error occurred: connection to the database refused"), Standing::Serves);
        assert_eq!(of(502, ""), Standing::Unsure);
        assert_eq!(of(503, "upstream connect error"), Standing::Unsure);
        assert_eq!(of(429, "rate limit quota exceeded"), Standing::Flooded);
        assert_eq!((of(403, ""), of(200, "")), (Standing::Serves, Standing::Serves));
    }

    #[test]
    fn a_token_without_facts_is_one_without_end() {
        let info = token_info(&json!({"accessor": "", "type": "batch"}));
        assert_eq!((info.accessor, info.ttl, info.renewable), (None, Duration::ZERO, false));
    }
}
