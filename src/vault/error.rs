//! Why the server did not do what it was asked, in a form that holds no answer and no token.

use std::{error::Error as StdError, fmt, time::Duration};

use super::http::TransportError;

/// Longest text of the server that is shown, in characters.
const MESSAGE_MAX: usize = 200;
/// Most texts that are shown.
const MESSAGES_MAX: usize = 4;

/// What an error means to the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The token lives, but its policies do not grant this; or the login was refused as a whole.
    Denied,
    /// The server does not take the client certificate that it was shown, or wants one.
    ClientRefused,
    /// The version of the secret was deleted or destroyed; the path is known.
    Deleted,
    /// The request itself is wrong: unknown role, refused identity, bad parameter.
    Invalid,
    /// The lease is unknown to the server: revoked or expired.
    LeaseGone,
    /// What came back is no answer of this API.
    Malformed,
    /// Nothing is at the path.
    NotFound,
    /// The token or lease cannot be prolonged.
    NotRenewable,
    /// The server is sealed or was never initialised.
    Sealed,
    /// The server's certificate or name is not the trusted one.
    Tls,
    /// The token is unknown to the server: revoked or expired.
    TokenDead,
    /// The answer is larger, deeper or wider than allowed.
    TooLarge,
    /// No answer in time, too many requests, no leader, or trouble on the server's side.
    Unavailable,
}

/// A request that brought no result.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: Kind,
    /// What was tried, with its object.
    action: String,
    status: Option<u16>,
    messages: Vec<String>,
    retry_after: Option<Duration>,
    passing: bool,
    /// Nobody was asked: the server is left alone for a while.
    resting: bool,
    #[source]
    source: Option<TransportError>,
}

impl Error {
    /// Returns an error of `kind` while doing `action`, with the reason in plain words.
    pub fn new(kind: Kind, action: impl Into<String>, message: impl AsRef<str>) -> Self {
        let messages = clean([message]);
        Self {
            kind,
            action: action.into(),
            status: None,
            messages,
            retry_after: None,
            passing: false,
            resting: false,
            source: None,
        }
    }

    /// Returns an error for an answer with a status that is none of success.
    pub(super) fn answered(
        kind: Kind,
        action: &str,
        status: u16,
        messages: &[String],
        retry_after: Option<Duration>,
    ) -> Self {
        let passing = kind == Kind::Invalid && messages.iter().any(|text| is_about_time(text));
        let messages = clean(messages);
        Self { status: Some(status), messages, retry_after, passing, ..Self::new(kind, action, "") }
    }

    /// Returns an error for an exchange with the server at `address` that brought no answer.
    pub(super) fn transport(action: &str, address: &str, source: TransportError) -> Self {
        let mut error = Self::new(source.kind(), action, format!("{address}: {source}"));
        error.source = Some(source);
        error
    }

    /// Returns the same error for a request that was not sent, since the server is left alone for `wait`.
    pub(crate) fn resting(mut self, wait: Duration) -> Self {
        (self.retry_after, self.resting) = (Some(wait), true);
        self
    }

    /// Returns the same error as another kind, once more is known.
    pub(super) fn into_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Returns what the error means.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the HTTP status, when the server answered.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns why, without what was tried, for callers that have said that already.
    pub fn reason(&self) -> String {
        let mut text = self.kind.words().to_owned();
        if !self.messages.is_empty() {
            text = format!("{text}: {}", self.messages.join("; "));
        }
        match self.status {
            Some(status) => format!("{text} (status {status})"),
            None => text,
        }
    }

    /// Returns what the server said, cut short.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// Returns how long the server asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Says whether the request was not sent at all, so that an earlier error knows more of what is wrong.
    pub fn is_resting(&self) -> bool {
        self.resting
    }

    /// Says whether the same request may succeed later without anybody changing the request, the policy or the secret.
    pub fn is_transient(&self) -> bool {
        let kinds = [Kind::ClientRefused, Kind::Malformed, Kind::Sealed, Kind::Tls, Kind::Unavailable];
        self.passing || kinds.contains(&self.kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.reason())
    }
}

impl Kind {
    /// Returns the kind as a fragment of a sentence, with what to do where that is known.
    fn words(self) -> &'static str {
        match self {
            Self::Denied => "permission denied by the server; check the role and its policies",
            Self::ClientRefused => {
                "the server does not take the node's client certificate, or wants one; check client_cert_file and the CAs that \
                 the server takes"
            }
            Self::Deleted => "the secret's version is deleted; undelete it or write a new one",
            Self::Invalid => "refused by the server",
            Self::LeaseGone => "the lease is revoked or expired",
            Self::Malformed => "not an answer of this API; check that the address is the secrets server itself",
            Self::NotFound => "nothing is there; check the path and, for KV version 2, the \"data\" in it",
            Self::NotRenewable => "cannot be prolonged",
            Self::Sealed => "the server is sealed or not initialised; unseal it",
            Self::Tls => "the server's certificate is not trusted; check the CA file and the server's name",
            Self::TokenDead => "the token is revoked or expired",
            Self::TooLarge => "the answer is over the limit",
            Self::Unavailable => "the server is not available",
        }
    }
}

/// Says whether a refusal of an identity is about the clock, so that waiting a moment may mend it.
fn is_about_time(text: &str) -> bool {
    ["not before", "(nbf)", "issued at", "(iat)", "not valid yet", "not yet valid"]
        .iter()
        .any(|hint| text.contains(hint))
}

/// Returns the texts on one line each, cut to their limits.
fn clean<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    let words = |text: T| text.as_ref().split_whitespace().collect::<Vec<_>>().join(" ");
    let short = |text: String| text.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX).collect::<String>();
    texts.into_iter().map(words).map(short).filter(|text| !text.is_empty()).take(MESSAGES_MAX).collect()
}

/// Returns the meaning of an answer that is none of success.
pub(super) fn kind_of(status: u16, messages: &[String]) -> Kind {
    let says = |hint: &str| messages.iter().any(|text| text.contains(hint));
    match status {
        400 if says("Forbidden") => Kind::Denied,
        400 if says("lease not found") || says("invalid lease") => Kind::LeaseGone,
        400 if says("not renewable") || says("cannot be renewed") => Kind::NotRenewable,
        400 if says("rate limit") || says("quota exceeded") => Kind::Unavailable,
        401 | 403 => Kind::Denied,
        404 => Kind::NotFound,
        408 | 412 | 429 => Kind::Unavailable,
        413 => Kind::TooLarge,
        501 => Kind::Sealed,
        503 if says("sealed") => Kind::Sealed,
        500.. => Kind::Unavailable,
        _ => Kind::Invalid,
    }
}

/// Returns the whole chain of causes as one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, text: &str) -> Kind {
        kind_of(status, &[text.to_owned()])
    }

    #[test]
    fn answers_that_are_easily_misread_have_their_own_kind() {
        assert_eq!(kind(503, "Vault is sealed"), Kind::Sealed);
        assert_eq!(kind(503, "no active Vault instance found"), Kind::Unavailable);
        assert_eq!(kind(500, "local node not active but active cluster node not found"), Kind::Unavailable);
        assert_eq!(kind(400, "Forbidden"), Kind::Denied);
        assert_eq!(kind(400, "lease not found"), Kind::LeaseGone);
        assert_eq!(kind(400, "role \"x\" could not be found"), Kind::Invalid);
        assert_eq!(kind(429, "rate limit quota exceeded"), Kind::Unavailable);
    }

    #[test]
    fn a_refusal_for_the_clock_passes_by_itself() {
        let says = |text: &str| Error::answered(Kind::Invalid, "log in", 400, &[text.to_owned()], None).is_transient();
        assert!(says("error validating token: invalid not before (nbf) claim: token not yet valid"));
        assert!(!says("error validating token: invalid audience (aud) claim"));
    }

    #[test]
    fn long_and_many_messages_are_cut() {
        let texts = vec!["x".repeat(1000); 9];
        let error = Error::answered(Kind::Invalid, "read", 400, &texts, None);
        assert_eq!(error.messages().len(), MESSAGES_MAX);
        assert!(error.messages().iter().all(|text| text.len() == MESSAGE_MAX));
    }

    #[test]
    fn a_message_is_one_line() {
        let texts = ["1 error occurred:\n\t* permission denied\n\n".to_owned()];
        let error = Error::answered(Kind::Denied, "read kv/data/a", 403, &texts, None);
        assert!(!error.to_string().contains('\n'));
    }
}
