//! Image references, parsed strictly: what comes out can be put into a request path.
//!
//! The grammar is the registries' own: `[host[:port]/]path[:tag][@digest]`, path components in lower case.

use std::{fmt, str::FromStr};

use super::error::shown;

/// Longest name without tag and digest that registries take.
const NAME_MAX: usize = 255;
/// Longest tag.
const TAG_MAX: usize = 128;

/// A well-formed image reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// The text is no image reference.
#[derive(Clone, Debug, thiserror::Error)]
#[error("image {text:?} {why}; write it as [registry/]name[:tag][@sha256:digest]")]
pub struct ReferenceError {
    text: String,
    why: &'static str,
}

impl ImageRef {
    /// Returns the name without tag and digest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the tag; `latest` when neither tag nor digest was written, `None` when a digest stands alone.
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// Returns the digest, `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Says whether the name may mean another image tomorrow by custom.
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag() == Some("latest")
    }

    /// Returns the registry's host as the engine understands it.
    pub fn registry(&self) -> &str {
        match self.name.split_once('/') {
            Some((host, _)) if is_host(host) => host,
            _ => "docker.io",
        }
    }
}

/// Written as the engine is asked for it: a digest makes the tag void.
impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.digest {
            Some(digest) => write!(f, "{}@{digest}", self.name),
            None => write!(f, "{}:{}", self.name, self.tag().unwrap_or("latest")),
        }
    }
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|why| ReferenceError { text: shown(text), why })
    }
}

fn parse(text: &str) -> Result<ImageRef, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.contains("://") {
        return Err("has a scheme");
    }
    let (rest, digest) = split_digest(text)?;
    let (name, tag) = split_tag(rest)?;
    check_name(name)?;
    Ok(ImageRef { name: name.to_owned(), tag, digest })
}

fn split_digest(text: &str) -> Result<(&str, Option<String>), &'static str> {
    let Some((rest, digest)) = text.split_once('@') else { return Ok((text, None)) };
    let good = |hex: &str| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match digest.strip_prefix("sha256:") {
        Some(hex) if good(hex) => Ok((rest, Some(digest.to_owned()))),
        _ => Err("has a digest that is not sha256: with 64 hexadecimal digits"),
    }
}

/// A colon behind the last slash begins the tag; one before it belongs to the registry's port.
fn split_tag(text: &str) -> Result<(&str, Option<String>), &'static str> {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    let Some(colon) = text[last..].find(':') else { return Ok((text, None)) };
    let (name, tag) = (&text[..last + colon], &text[last + colon + 1..]);
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let good = (1..=TAG_MAX).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.bytes().all(inner);
    if good { Ok((name, Some(tag.to_owned()))) } else { Err("has a malformed tag") }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.len() > NAME_MAX {
        return Err("is longer than 255 characters");
    }
    let path = match name.split_once('/') {
        Some((host, path)) if is_host(host) => {
            check_host(host)?;
            path
        }
        _ => name,
    };
    if path.len() == 64 && path.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("is a bare image id, which any image on the machine could have");
    }
    if path.split('/').all(is_component) { Ok(()) } else { Err("has a malformed name (lower case only)") }
}

/// The first component is a registry when it could not be a plain name: it has a dot, a port, or is `localhost`.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn check_host(host: &str) -> Result<(), &'static str> {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let good_port = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    if name.split('.').all(label) && good_port { Ok(()) } else { Err("has a malformed registry") }
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(word) && part.bytes().last().is_some_and(word);
    let joints = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|joint| !joint.is_empty());
    ends && joints.into_iter().all(|joint| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        text.parse::<ImageRef>().expect("a reference").to_string()
    }

    #[test]
    fn references_are_completed_as_the_engine_does() {
        assert_eq!(read("busybox"), "busybox:latest");
        assert_eq!(read("timeline:1.4"), "timeline:1.4");
        assert_eq!(read("localhost:5000/a/b_c:v1"), "localhost:5000/a/b_c:v1");
        assert_eq!(read("registry.example.com:443/x"), "registry.example.com:443/x:latest");
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(read(&format!("a/b:1@{digest}")), format!("a/b@{digest}"));
    }

    #[test]
    fn malformed_references_are_refused() {
        let long = "x".repeat(10 << 10);
        let short_digest = "a@sha256:00";
        let id = "0".repeat(64);
        let bad = [
            "",
            " ",
            "a b",
            "Upper/case",
            "https://x/y",
            "../images/json",
            "a/../b",
            "a?x=1",
            "a#b",
            "a%2f",
            "a//b",
            "a:",
            "a:b:c",
            "a:.x",
            "/a",
            "a/",
            "-a",
            "a_-b",
            "a\nb",
            "a\0",
            "x:99999/a",
            "é",
            &long,
            short_digest,
            &id,
        ];
        for text in bad {
            assert!(text.parse::<ImageRef>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_error_quotes_the_text_escaped_and_cut() {
        let text = format!("a\n{}", "x".repeat(500)).parse::<ImageRef>().expect_err("bad").to_string();
        assert!(!text.contains('\n') && text.len() < 300, "{text}");
    }

    #[test]
    fn the_registry_is_told_from_a_plain_name() {
        let registry = |text: &str| text.parse::<ImageRef>().expect("good").registry().to_owned();
        assert_eq!(registry("a/b"), "docker.io");
        assert_eq!(registry("localhost/b"), "localhost");
        assert_eq!(registry("127.0.0.1:5000/b"), "127.0.0.1:5000");
    }
}
