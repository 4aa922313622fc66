//! What can go wrong with the engine, by what the caller may do about it.

use std::time::Duration;

/// Why the engine did not do what it was asked. Holds text only, so that callers who shared one pull share its error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The task's configuration makes no sense, whatever the operator allows.
    #[error("{option}: {why}")]
    ConfigInvalid {
        /// The option with its value.
        option: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// What a registry is to be shown cannot be had now.
    #[error("image {image:?}: the credential for its registry cannot be had: {why}")]
    CredentialUnavailable {
        /// The reference.
        image: String,
        /// Which source failed and how, without a value.
        why: String,
    },
    /// The engine cannot be reached; what runs keeps running as far as anybody knows.
    #[error("{doing}: the container engine cannot be reached: {why}")]
    EngineUnavailable {
        /// What was asked, with its object.
        doing: String,
        /// The transport's words.
        why: String,
    },
    /// The engine says no.
    #[error("{doing}: the container engine refused: {why}")]
    EngineRefused {
        /// What was asked, with its object.
        doing: String,
        /// The engine's sentence.
        why: String,
        /// Whether the same request may succeed later: lack of space, a name in use.
        passing: bool,
    },
    /// The engine did not answer in time.
    #[error("{doing}: no answer from the container engine after {after:?}")]
    EngineTimeout {
        /// What was asked, with its object.
        doing: String,
        /// How long it was given.
        after: Duration,
    },
    /// A command in a container took longer than it may.
    #[error("command in container {container} did not end within {after:?}{leftover}")]
    ExecTimeout {
        /// Which container.
        container: String,
        /// How long it was given.
        after: Duration,
        /// What became of the process, as the end of the sentence; empty when it was ended.
        leftover: &'static str,
    },
    /// The image is absent, or the registry does not let us have it.
    #[error("image {image:?}: {why}")]
    ImageRefused {
        /// The reference.
        image: String,
        /// The engine's or registry's sentence.
        why: String,
    },
    /// The registry cannot be reached, is busy or too slow.
    #[error("image {image:?} cannot be pulled now: {why}")]
    ImageUnavailable {
        /// The reference.
        image: String,
        /// The engine's or registry's sentence.
        why: String,
    },
    /// There is no such container.
    #[error("container {0} does not exist")]
    NotFound(String),
    /// The container exists and does not run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// A path could lead out of its place.
    #[error("{option}: {why}")]
    PathRefused {
        /// The option with its value.
        option: String,
        /// What is wrong with it.
        why: String,
    },
    /// The operator's settings do not allow what the job asks for.
    #[error("{option} is not allowed: {gate}")]
    PolicyRefused {
        /// The option with its value.
        option: String,
        /// The operator's setting that would allow it.
        gate: String,
    },
}

impl Error {
    /// Says whether the same task may come up when it is tried again later.
    pub fn recoverable(&self) -> bool {
        match self {
            Self::CredentialUnavailable { .. }
            | Self::EngineUnavailable { .. }
            | Self::EngineTimeout { .. }
            | Self::ExecTimeout { .. }
            | Self::ImageUnavailable { .. }
            | Self::NotFound(_)
            | Self::NotRunning(_) => true,
            Self::EngineRefused { passing, .. } => *passing,
            Self::ConfigInvalid { .. }
            | Self::ImageRefused { .. }
            | Self::PathRefused { .. }
            | Self::PolicyRefused { .. } => false,
        }
    }
}

/// An option makes no sense, whatever the operator allows.
pub(super) fn invalid(option: impl Into<String>, why: impl Into<String>) -> Error {
    Error::ConfigInvalid { option: option.into(), why: why.into() }
}

/// The operator does not allow an option; `gate` names the setting that would.
pub(super) fn refused(option: impl Into<String>, gate: impl Into<String>) -> Error {
    Error::PolicyRefused { option: option.into(), gate: gate.into() }
}

/// A path could lead out of its place.
pub(super) fn outside(option: impl Into<String>, why: impl Into<String>) -> Error {
    Error::PathRefused { option: option.into(), why: why.into() }
}

/// Returns `text` on one line, escaped and cut, for the inside of a message.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(80).flat_map(char::escape_default).collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_one_line_with_their_object() {
        let refused = Error::EngineRefused { doing: "start container abc".into(), why: "no".into(), passing: false };
        assert_eq!(refused.to_string(), "start container abc: the container engine refused: no");
        assert!(!refused.recoverable());
        assert!(!shown("a\nb").contains('\n'));
        assert!(shown(&"x".repeat(500)).chars().count() <= 81);
    }
}
