//! Container ids. The client puts them into request paths as they are, so only checked ones exist.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The engine's name for a container: letters, digits, `_`, `.` and `-` only, the first one a letter or digit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

/// The text cannot be a container's id.
#[derive(Debug, thiserror::Error)]
#[error("container id {0:?} is malformed")]
pub struct IdError(String);

impl ContainerId {
    /// Returns the id as the engine wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first twelve characters, as people know them.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(12)]
    }
}

impl FromStr for ContainerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let good = text.len() <= 128
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(inner);
        if good { Ok(Self(text.to_owned())) } else { Err(IdError(text.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_reach_another_endpoint() {
        for text in ["", "..", "../images/json?x=", "a/b", "a?b", "-a", "a b", "a\0"] {
            assert!(text.parse::<ContainerId>().is_err(), "{text:?}");
        }
        assert_eq!("0123456789abcdef".parse::<ContainerId>().expect("good").short(), "0123456789ab");
    }
}
