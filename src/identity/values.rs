//! What a pattern's variables stand for.

use super::{
    encode::{encode, fit},
    settings::IdentityError,
};
use crate::domain::TaskMeta;

/// Longest name that stands for itself in a path on the server.
const PATH_NAME_MAX: usize = 128;

/// Something that a pattern can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Variable {
    /// The allocation.
    Alloc,
    /// The group.
    Group,
    /// The job's id.
    Job,
    /// The job's namespace.
    Namespace,
    /// The node's id.
    Node,
    /// The task's name.
    Task,
    /// The operator's trust domain.
    TrustDomain,
}

impl Variable {
    /// All of them, in the order in which they are listed to the user.
    pub(super) const ALL: [Self; 7] =
        [Self::Namespace, Self::Job, Self::Group, Self::Task, Self::Alloc, Self::Node, Self::TrustDomain];
    /// Those that together tell one task from all others.
    pub(super) const IDENTIFYING: [Self; 4] = [Self::Namespace, Self::Job, Self::Group, Self::Task];

    /// Returns its name in a pattern.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alloc => "alloc",
            Self::Group => "group",
            Self::Job => "job",
            Self::Namespace => "namespace",
            Self::Node => "node",
            Self::Task => "task",
            Self::TrustDomain => "trust_domain",
        }
    }

    /// Returns the variable of that name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name() == name)
    }

    /// Returns the field of `meta`, for all but the trust domain.
    pub(super) fn of(self, meta: &TaskMeta) -> Option<&str> {
        match self {
            Self::Alloc => Some(&meta.alloc_id),
            Self::Group => Some(&meta.group),
            Self::Job => Some(&meta.job_id),
            Self::Namespace => Some(&meta.namespace),
            Self::Node => Some(&meta.node_id),
            Self::Task => Some(&meta.name),
            Self::TrustDomain => None,
        }
    }
}

/// Returns the encoded value, shortened to `max`.
pub(super) fn label(text: &str, variable: Variable, max: usize) -> Result<String, IdentityError> {
    let encoded = encode(text).map_err(|_| IdentityError::Empty { field: variable.name() })?;
    Ok(fit(&encoded, max))
}

/// Returns a name for a path on the server: itself when it is plain, else encoded, so that `Web_1` is found where a person
/// would put it.
///
/// The two kinds cannot meet: an encoded name that was not plain has two dashes in it, and a plain one has not.
pub(super) fn path_name(text: &str, variable: Variable) -> Result<String, IdentityError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = text.starts_with(first) && text.chars().all(inner) && !text.contains("--");
    if plain && text.len() <= PATH_NAME_MAX { Ok(text.to_owned()) } else { label(text, variable, PATH_NAME_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        path_name(text, Variable::Job).expect("a name")
    }

    #[test]
    fn plain_names_stand_for_themselves_in_paths() {
        for plain in ["timeline", "Web_1", "_x", "a.b", "1"] {
            assert_eq!(name(plain), plain);
        }
        for (text, wanted) in
            [("..", "x--2e--2e"), ("a/b", "a--2fb"), ("a--b", "a--2d-b"), ("-a", "x--2da"), (" ", "x--20")]
        {
            assert_eq!(name(text), wanted);
        }
    }

    #[test]
    fn an_encoded_name_is_no_plain_one() {
        assert_eq!(name("a--2fb"), "a--2d-2fb");
        assert_ne!(name("a--2fb"), name("a/b"));
        let long = "a".repeat(300);
        assert!(name(&long).len() <= PATH_NAME_MAX && name(&long).contains("--h"));
    }

    #[test]
    fn an_empty_field_is_named() {
        assert_eq!(
            path_name("", Variable::Job).expect_err("empty").to_string(),
            IdentityError::Empty { field: "job" }.to_string()
        );
    }
}
