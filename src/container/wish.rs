//! Which image is wanted, and how it may be got.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use super::{ImageRef, Pull};

/// Most letters of one part of a platform.
const PART_MAX: usize = 32;

/// How pulls are done unless a job says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSettings {
    /// How long a pull may say nothing.
    pub activity_timeout: Duration,
    /// Whether the registry decides about every start, also when the image is here because another job has pulled it.
    pub always: bool,
    /// How many pulls go on side by side; others wait.
    pub max_parallel: usize,
    /// How often the user is told how far a pull is.
    pub progress_interval: Duration,
    /// How long a pull may take, the waiting for others not counted.
    pub timeout: Duration,
}

/// An image that is wanted.
#[derive(Clone, Debug)]
pub struct ImageWish {
    /// Its name.
    pub reference: ImageRef,
    /// For which machine; the engine's own when absent.
    pub platform: Option<Platform>,
    /// When to ask its registry.
    pub pull: Pull,
    /// Where it lies in a file of the task's, which then takes the registry's place.
    pub load: Option<TaskFile>,
    /// How long a pull may take.
    pub timeout: Duration,
    /// How long a pull may say nothing.
    pub activity_timeout: Duration,
}

/// A file below a directory that others can write to; it is reached without following any link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFile {
    /// The directory.
    pub root: PathBuf,
    /// The file below it, in clean components.
    pub path: String,
}

/// A machine that an image is made for: `os[/architecture[/variant]]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform(String);

/// The text is no platform.
#[derive(Clone, Debug, thiserror::Error)]
#[error("platform {0:?} is none; write it as os/architecture[/variant], such as \"linux/arm64\"")]
pub struct PlatformError(String);

impl Default for PullSettings {
    fn default() -> Self {
        Self {
            activity_timeout: Duration::from_secs(120),
            always: false,
            max_parallel: 4,
            progress_interval: Duration::from_secs(15),
            timeout: Duration::from_secs(600),
        }
    }
}

impl ImageWish {
    /// Returns the wish for `reference` as it is got when nobody says otherwise.
    pub fn new(reference: ImageRef, pull: Pull) -> Self {
        let PullSettings { activity_timeout, timeout, .. } = PullSettings::default();
        Self { reference, platform: None, pull, load: None, timeout, activity_timeout }
    }
}

impl Platform {
    /// Says whether an image that the engine calls so is made for this.
    pub(super) fn suits(&self, os: &str, architecture: &str, variant: &str) -> bool {
        let mut parts = self.0.split('/');
        let same = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| common(wanted) == common(found));
        same(parts.next(), os)
            && same(parts.next(), architecture)
            && (variant.is_empty() || same(parts.next(), variant))
    }
}

/// Returns the name that engines use, for the other one in use.
fn common(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
        let part = |part: &str| (1..=PART_MAX).contains(&part.len()) && part.bytes().all(word);
        let good = (2..=3).contains(&text.split('/').count()) && text.split('/').all(part);
        if good { Ok(Self(text.to_owned())) } else { Err(PlatformError(text.chars().take(80).collect())) }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_checked_and_compared() {
        let arm: Platform = "linux/arm64".parse().expect("a platform");
        assert!(arm.suits("linux", "arm64", "v8") && arm.suits("linux", "aarch64", ""));
        assert!(!arm.suits("linux", "amd64", ""));
        let old: Platform = "linux/arm/v6".parse().expect("a platform");
        assert!(old.suits("linux", "arm", "v6") && !old.suits("linux", "arm", "v7"));
        for bad in ["", "linux", "linux/", "/arm", "Linux", "linux/arm/v7/x", "a b", "linux&x=1"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad:?}");
        }
    }
}
