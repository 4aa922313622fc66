//! Whom single files belong to: names of the job's, resolved once in the image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Access, Owner};

/// The owners that a job names, by the words that were resolved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Owners {
    named: BTreeMap<String, Owner>,
    /// The container's own user, with whom a group alone goes.
    user: Option<Owner>,
}

impl Owners {
    /// Takes what the image says about each of the words.
    pub(super) fn new(user: Owner, named: BTreeMap<String, Owner>) -> Self {
        Self { named, user: Some(user) }
    }

    /// Returns whom the files of a block belong to; `None` for the owner of all the others.
    pub(super) fn of(&self, access: &Access) -> Option<Owner> {
        let found = *self.named.get(&access.user()?)?;
        match access.owner {
            Some(_) => Some(found),
            None => Some(Owner { uid: self.user?.uid, gid: found.gid }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_alone_goes_with_the_containers_user() {
        let owner = |uid, gid| Owner { uid, gid };
        let named = [("app:staff".to_owned(), owner(7, 50)), ("0:staff".to_owned(), owner(0, 50))].into();
        let owners = Owners::new(owner(1000, 1000), named);
        let access = |owner: Option<&str>, group: Option<&str>| Access {
            mode: None,
            owner: owner.map(str::to_owned),
            group: group.map(str::to_owned),
        };
        assert_eq!(owners.of(&access(Some("app"), Some("staff"))), Some(owner(7, 50)));
        assert_eq!(owners.of(&access(None, Some("staff"))), Some(owner(1000, 50)));
        assert_eq!(owners.of(&access(None, None)), None);
    }
}
