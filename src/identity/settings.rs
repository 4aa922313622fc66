//! How names are made, checked when the configuration is loaded.

use super::{
    pattern::{Pattern, PatternError},
    values::Variable,
};

/// Longest DNS name and label (RFC 1035).
pub(super) const DNS_MAX: usize = 253;
pub(super) const LABEL_MAX: usize = 63;
/// To this a name is shortened when a whole DNS name is too long.
pub(super) const SHORT_LABEL_MAX: usize = 40;

/// How names are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Under whose authority names are given, a DNS name.
    pub trust_domain: String,
    /// The path of the SPIFFE id.
    pub spiffe_path: String,
    /// The DNS name.
    pub dns_name: String,
    /// The role to log in with.
    pub role: String,
}

/// Why a task has no names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The orchestrator sent nothing for a field.
    #[error("task has no {field}; an identity needs namespace, job, group, task and alloc")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// A pattern is wrong.
    #[error("{setting}: {source}")]
    Pattern {
        /// Whose.
        setting: &'static str,
        /// What is wrong.
        source: PatternError,
    },
    /// A name is too long even with shortened parts.
    #[error("{what} would have {length} characters, {max} are allowed; shorten its pattern")]
    TooLong {
        /// Which name.
        what: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        max: usize,
    },
    /// The trust domain is no DNS name.
    #[error("trust_domain {text:?} {why}; give a lower-case DNS name such as \"strongbox.internal\"")]
    TrustDomain {
        /// What was given.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// The settings' patterns, read and found fit.
pub(super) struct Patterns {
    pub(super) spiffe_path: Pattern,
    pub(super) dns_name: Pattern,
    pub(super) role: Pattern,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trust_domain: "strongbox.internal".to_owned(),
            spiffe_path: "/ns/{namespace}/job/{job}/group/{group}/task/{task}".to_owned(),
            dns_name: "{task}.{group}.{job}.{namespace}.{trust_domain}".to_owned(),
            role: "{job}".to_owned(),
        }
    }
}

impl Settings {
    /// Returns all that is wrong with the settings, for the moment when they are loaded.
    pub fn flaws(&self) -> Vec<IdentityError> {
        let checks = [
            self.check_trust_domain().err(),
            self.spiffe_path().err(),
            self.dns_name().err(),
            role("role", &self.role).err(),
        ];
        checks.into_iter().flatten().collect()
    }

    pub(super) fn patterns(&self) -> Result<Patterns, IdentityError> {
        self.check_trust_domain()?;
        let (spiffe_path, dns_name) = (self.spiffe_path()?, self.dns_name()?);
        Ok(Patterns { spiffe_path, dns_name, role: role("role", &self.role)? })
    }

    fn check_trust_domain(&self) -> Result<(), IdentityError> {
        let text = &self.trust_domain;
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = |label: &str| {
            (1..=LABEL_MAX).contains(&label.len())
                && label.chars().all(good)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match text.split('.').all(label) {
            true => Ok(()),
            false => Err(IdentityError::TrustDomain { text: text.clone(), why: "is no DNS name" }),
        }
    }

    fn spiffe_path(&self) -> Result<Pattern, IdentityError> {
        let check = || {
            let pattern: Pattern = self.spiffe_path.parse()?;
            pattern.check_identifying('/')?;
            pattern.check_literals(|c| c.is_ascii_alphanumeric() || "/._-".contains(c), "SPIFFE id")?;
            let text = pattern.as_str();
            match text.strip_prefix('/') {
                None => Err(pattern.flaw("does not begin with \"/\"")),
                Some(path) if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) => {
                    Err(pattern.flaw("has an empty, \".\" or \"..\" segment"))
                }
                Some(_) => Ok(pattern),
            }
        };
        check().map_err(|source| IdentityError::Pattern { setting: "spiffe_path", source })
    }

    fn dns_name(&self) -> Result<Pattern, IdentityError> {
        let check = || {
            let pattern: Pattern = self.dns_name.parse()?;
            pattern.check_identifying('.')?;
            pattern.check_literals(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c), "DNS name")?;
            let bad = |label: &str| {
                label.is_empty() || label.starts_with('-') || label.ends_with('-') || label.len() > LABEL_MAX
            };
            match pattern.as_str().split('.').any(bad) {
                true => Err(pattern.flaw("has an empty or malformed label")),
                false => Ok(pattern),
            }
        };
        let pattern = check().map_err(|source| IdentityError::Pattern { setting: "dns_name", source })?;
        // With all names at their shortest the whole must fit, so that no task is refused later for its long names.
        let longest = pattern.render(|variable| {
            Ok(if variable == Variable::TrustDomain { self.trust_domain.clone() } else { "x".repeat(SHORT_LABEL_MAX) })
        })?;
        within("DNS name", longest, DNS_MAX).map(|_| pattern)
    }
}

/// Says whether `text` is a pattern for the name of a role or policy.
pub fn check_role_pattern(text: &str) -> Result<(), IdentityError> {
    role("pattern", text).map(|_| ())
}

/// Reads a pattern for a role.
pub(super) fn role(setting: &'static str, text: &str) -> Result<Pattern, IdentityError> {
    let check = || {
        let pattern: Pattern = text.parse()?;
        pattern.check_literals(|c| c.is_ascii_alphanumeric() || "._-".contains(c), "role")?;
        if text.is_empty() { Err(pattern.flaw("is empty")) } else { Ok(pattern) }
    };
    check().map_err(|source| IdentityError::Pattern { setting, source })
}

pub(super) fn within(what: &'static str, text: String, max: usize) -> Result<String, IdentityError> {
    match text.len() {
        length if length > max => Err(IdentityError::TooLong { what, length, max }),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_flaws_are_told_together() {
        let settings = Settings {
            trust_domain: "Strongbox".to_owned(),
            spiffe_path: "ns/{namespace}/{job}/{group}/{task}".to_owned(),
            dns_name: "{task}.{group}.{job}.{trust_domain}".to_owned(),
            role: "{jop}".to_owned(),
        };
        let flaws: Vec<String> = settings.flaws().iter().map(ToString::to_string).collect();
        assert_eq!(flaws.len(), 4, "{flaws:?}");
        for (flaw, part) in flaws.iter().zip(["trust_domain", "begin with \"/\"", "{namespace}", "{jop}"]) {
            assert!(flaw.contains(part), "{flaw}");
        }
        assert_eq!(Settings::default().flaws(), []);
        let long = Settings { trust_domain: ["a".repeat(60).as_str(); 2].join("."), ..Settings::default() };
        assert!(matches!(long.flaws()[..], [IdentityError::TooLong { .. }]));
    }
}
