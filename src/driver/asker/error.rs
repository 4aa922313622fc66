//! Why something was not obtained from the server, and what that means for the one who asked.

use std::time::Duration;

use crate::{
    domain::{Loss, ServerPath},
    driver::DriverError,
    pki::PkiError,
    vault::{self, Kind},
};

/// Why something was not obtained.
#[derive(Debug, thiserror::Error)]
pub(in crate::driver) enum AskError {
    /// The server said no, or nothing.
    #[error("{what}: {}{hint}", source.reason())]
    Vault {
        /// What was asked for.
        what: String,
        /// Whether that was a login or a renewal, whose refusal says nothing about the thing itself.
        of_upkeep: bool,
        /// The path that was asked, where one was.
        path: Option<ServerPath>,
        /// What it said.
        source: Box<vault::Error>,
        /// What else was found out about it.
        hint: String,
    },
    /// The certificate is not the one that was asked for, or no key could be made.
    #[error("{what}: {source}")]
    Pki {
        /// Which certificate.
        what: String,
        /// What is wrong with it.
        source: PkiError,
    },
    /// Something of ours is in the way.
    #[error("{0}")]
    Driver(DriverError),
}

impl AskError {
    pub(in crate::driver) fn vault(what: impl Into<String>, source: vault::Error) -> Self {
        let (what, source, hint) = (what.into(), Box::new(source), String::new());
        Self::Vault { what, of_upkeep: false, path: None, source, hint }
    }

    /// As [`AskError::vault`], for what was asked of `path`.
    pub(in crate::driver) fn at(path: &ServerPath, what: impl Into<String>, source: vault::Error) -> Self {
        let (what, source, hint) = (what.into(), Box::new(source), String::new());
        Self::Vault { what, of_upkeep: false, path: Some(path.clone()), source, hint }
    }

    /// As [`AskError::vault`], for logins and renewals.
    pub(in crate::driver) fn upkeep(what: impl Into<String>, source: vault::Error) -> Self {
        let (what, source, hint) = (what.into(), Box::new(source), String::new());
        Self::Vault { what, of_upkeep: true, path: None, source, hint }
    }

    /// Returns how the server refused, when it was the server.
    pub(in crate::driver) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Vault { source, .. } => Some(source.kind()),
            Self::Pki { .. } | Self::Driver(_) => None,
        }
    }

    /// Returns how long the server asked us to wait; nothing when it did not.
    pub(in crate::driver) fn retry_after(&self) -> Duration {
        match self {
            Self::Vault { source, .. } => source.retry_after().unwrap_or_default(),
            Self::Pki { .. } | Self::Driver(_) => Duration::ZERO,
        }
    }

    /// Returns the one of two errors, one behind the other, that says what is wrong: not that the server is left alone.
    pub(in crate::driver) fn after(self, earlier: Option<Self>) -> Self {
        match (self, earlier) {
            (Self::Vault { source, .. }, Some(earlier)) if source.is_resting() => earlier,
            (error, _) => error,
        }
    }

    /// Says whether the server as a whole did not answer, or wants to be left alone: a refusal of this one request is an
    /// answer.
    pub(in crate::driver) fn is_silence(&self) -> bool {
        let Self::Vault { source, .. } = self else { return false };
        match source.kind() {
            Kind::ClientRefused | Kind::Sealed | Kind::Tls => true,
            // Trouble of one engine behind the server comes as 500.
            Kind::Unavailable => matches!(source.status(), None | Some(429 | 502..=504)),
            _ => false,
        }
    }

    /// Says whether the trouble may pass by itself.
    pub(in crate::driver) fn is_transient(&self) -> bool {
        matches!(self, Self::Vault { source, .. } if source.is_transient())
    }

    /// Says whether a start does well to try again within its time: trouble that passes, or a secret not yet written.
    pub(in crate::driver) fn may_pass(&self) -> bool {
        self.is_transient() || self.is_loss()
    }

    /// Returns how something was lost, if that is what the answer means.
    pub(in crate::driver) fn loss(&self) -> Option<Loss> {
        match self {
            Self::Vault { of_upkeep: true, .. } => None,
            _ if self.is_loss() => Some(Loss::Deleted),
            _ => (self.kind() == Some(Kind::Denied)).then_some(Loss::Denied),
        }
    }

    /// Says whether nothing is there.
    pub(in crate::driver) fn is_loss(&self) -> bool {
        matches!(self.kind(), Some(Kind::NotFound | Kind::Deleted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_left_alone_does_not_hide_why() {
        let sealed = || AskError::vault("log in", vault::Error::new(Kind::Sealed, "log in", ""));
        let resting = || {
            AskError::vault(
                "log in",
                vault::Error::new(Kind::Unavailable, "log in", "").resting(Duration::from_millis(16)),
            )
        };
        assert_eq!(resting().after(Some(sealed())).kind(), Some(Kind::Sealed));
        assert_eq!(resting().after(None).kind(), Some(Kind::Unavailable));
        assert_eq!(sealed().after(Some(resting())).kind(), Some(Kind::Sealed));
    }
}
