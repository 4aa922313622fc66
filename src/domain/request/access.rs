//! Who may read the files that a block makes.

use serde::{Deserialize, Serialize};

/// Owner and permission bits of a block's files, where the job says other than the rule: the container's user, 0400.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    /// Permission bits.
    pub mode: Option<u32>,
    /// The owner, by name in the image or by number; `user:group` names both.
    pub owner: Option<String>,
    /// The group, by name in the image or by number.
    pub group: Option<String>,
}

impl Access {
    /// Returns the words for the image to resolve, `user:group`, when the job names somebody.
    ///
    /// A group alone goes with a placeholder for the user, whose number is then not used.
    pub fn user(&self) -> Option<String> {
        match (&self.owner, &self.group) {
            (None, None) => None,
            (Some(owner), None) => Some(owner.clone()),
            (Some(owner), Some(group)) => Some(format!("{owner}:{group}")),
            (None, Some(group)) => Some(format!("0:{group}")),
        }
    }
}
