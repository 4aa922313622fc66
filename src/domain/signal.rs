//! Signals by name, as job files and the engine spell them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Linux signals with their number on x86-64 and aarch64 (signal(7)).
const SIGNALS: [(&str, i32); 31] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCHLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
];

/// A signal the engine knows by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(i32);

/// The text names no signal.
#[derive(Debug, thiserror::Error)]
#[error("signal {0:?} is unknown; use a name such as SIGHUP, SIGTERM or SIGUSR1")]
pub struct UnknownSignal(String);

impl Signal {
    /// Ask to end.
    pub const TERM: Self = Self(15);
    /// End at once.
    pub const KILL: Self = Self(9);
    /// Read the configuration again.
    pub const HUP: Self = Self(1);

    /// Returns the full upper-case name, such as `SIGHUP`.
    pub fn name(self) -> &'static str {
        SIGNALS.iter().find(|(_, number)| *number == self.0).map_or("SIGKILL", |(name, _)| name)
    }

    /// Returns the number that an exit code of 128 + n speaks of.
    pub fn number(self) -> i32 {
        self.0
    }
}

/// Accepts any case, with or without the `SIG` in front, as the peers do.
impl FromStr for Signal {
    type Err = UnknownSignal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        SIGNALS
            .iter()
            .find(|(name, _)| name.strip_prefix("SIG") == Some(bare))
            .map(|(_, number)| Self(*number))
            .ok_or_else(|| UnknownSignal(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for Signal {
    type Error = UnknownSignal;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        signal.name().to_owned()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_in_any_case_and_without_prefix() {
        for text in ["SIGHUP", "sighup", "hup"] {
            assert_eq!(text.parse::<Signal>().expect("known"), Signal::HUP);
        }
    }

    #[test]
    fn numbers_and_invented_names_are_refused() {
        for text in ["SIGNOPE", "", "9999", "9", "SIG"] {
            assert!(text.parse::<Signal>().is_err(), "{text:?}");
        }
    }
}
