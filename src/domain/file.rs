//! The files a task is given: relative names, contents, owner, and the generation they belong to.

use std::{collections::BTreeMap, fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

use super::SecretBytes;

/// Linux's limit for one component of a path (NAME_MAX).
const NAME_MAX: usize = 255;
/// Longest whole relative path; well below PATH_MAX, since the mount point comes before it.
const PATH_MAX: usize = 1024;

/// A path below the secrets directory: one to eight clean components.
///
/// No absolute path, no `.` or `..`, no empty component, no control character, no leading dot pair: dot-dot names
/// are kept for the generations.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

/// Why a text is no path below the secrets directory.
#[derive(Debug, thiserror::Error)]
#[error("path {path:?} {why}; give a relative path of plain names such as \"db/password\"")]
pub struct RelPathError {
    path: String,
    why: &'static str,
}

/// Counts the sets of files that a task was shown, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// The user that a task's files belong to, as numbers in the host's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// One file of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// What is in it.
    pub contents: SecretBytes,
    /// Permission bits; 0400 unless the job tightened or the operator allowed otherwise.
    pub mode: u32,
    /// Whom it belongs to, when not to the owner of the whole set.
    #[serde(default)]
    pub owner: Option<Owner>,
}

impl OutputFile {
    /// Returns a file with `contents` for the set's owner.
    pub fn new(contents: SecretBytes, mode: u32) -> Self {
        Self { contents, mode, owner: None }
    }
}

/// A whole set of files, that a reader sees all at once or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSet {
    /// The files by their path below the secrets directory.
    pub files: BTreeMap<RelPath, OutputFile>,
}

impl RelPath {
    /// Returns the path as a job author writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path for joining to a directory.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Returns the first component, the name that is seen directly in the secrets directory.
    pub fn top(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// Returns this path with `name` below it.
    pub fn join(&self, name: &str) -> Result<Self, RelPathError> {
        format!("{}/{name}", self.0).parse()
    }

    /// Says whether one of the two is the other or lies below it, which would make a file and a folder of one name.
    pub fn overlaps(&self, other: &Self) -> bool {
        let below = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
        let (a, b) = (self.0.to_lowercase(), other.0.to_lowercase());
        below(&a, &b) || below(&b, &a)
    }
}

impl FromStr for RelPath {
    type Err = RelPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match flaw(text) {
            None => Ok(Self(text.to_owned())),
            Some(why) => Err(RelPathError { path: text.chars().take(80).collect(), why }),
        }
    }
}

/// Returns what is wrong with `text` as a relative path.
fn flaw(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.starts_with('/') {
        return Some("is absolute");
    }
    if text.len() > PATH_MAX || text.split('/').any(|part| part.len() > NAME_MAX) {
        return Some("is too long");
    }
    if text.split('/').count() > 8 {
        return Some("is too deep");
    }
    if text.chars().any(char::is_control) {
        return Some("has a control character");
    }
    if text.split('/').any(|part| part.is_empty() || part == ".") {
        return Some("has an empty or \".\" component");
    }
    if text.split('/').any(|part| part.starts_with("..")) {
        return Some("has a component that starts with \"..\"");
    }
    None
}

impl TryFrom<String> for RelPath {
    type Error = RelPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Generation {
    /// Returns the generation after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        text.parse().expect("a good path")
    }

    #[test]
    fn paths_that_leave_the_directory_are_refused() {
        for bad in ["", ".", "..", "../x", "a/../../x", "/etc/x", "a//b", "a/./b", "a/", "a\0b", "..data", "a\nb"] {
            assert!(bad.parse::<RelPath>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(256).parse::<RelPath>().is_err());
        assert!(["a"; 9].join("/").parse::<RelPath>().is_err());
    }

    #[test]
    fn a_file_and_a_folder_of_one_name_overlap() {
        assert!(path("a").overlaps(&path("a/b")));
        assert!(path("A/b").overlaps(&path("a")));
        assert!(!path("ab").overlaps(&path("a")));
    }
}
