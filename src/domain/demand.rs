//! What somebody may ask of a running task's secrets, by a name where a signal's would stand.

use std::fmt;

/// Something that is to be done now instead of at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Demand {
    /// Read again whatever is only read, and render.
    Render,
    /// Get everything anew, and end what it replaces.
    Rotate,
}

impl Demand {
    const ALL: [Self; 2] = [Self::Render, Self::Rotate];

    /// Returns the demand that `text` names, in any case as signals are named; no signal is called so.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|demand| demand.name().eq_ignore_ascii_case(text))
    }

    /// Returns the name by which it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Render => "STRONGBOX_RENDER",
            Self::Rotate => "STRONGBOX_ROTATE",
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Signal;

    #[test]
    fn demands_are_named_in_any_case_and_never_like_a_signal() {
        assert_eq!(Demand::named("STRONGBOX_ROTATE"), Some(Demand::Rotate));
        assert_eq!(Demand::named("strongbox_render"), Some(Demand::Render));
        for other in ["SIGHUP", "ROTATE", "SIGSTRONGBOX_ROTATE", "STRONGBOX_ROTATE ", ""] {
            assert_eq!(Demand::named(other), None, "{other:?}");
        }
        assert!(Demand::ALL.iter().all(|demand| demand.name().parse::<Signal>().is_err()));
    }
}
