//! The names that programs open: `data/<top> -> ..data/<top>`.
//!
//! A name that both sets have never moves: its link goes through `..data`, so the one rename that switches generations
//! switches it too. A name that comes or goes has no such moment. Were its link made before the switch it would dangle until
//! then; made after, the new set would lack it for an instant; and a name that goes would dangle between the switch and
//! its removal. So while a name comes or goes, its link points straight at the one generation that has the file:
//!
//! ```text
//!             before      bridged                    switched                   settled
//! comes       -           new  -> ..gen-8/new        new  -> ..gen-8/new        new -> ..data/new
//! stays       a -> ..data/a                          (nothing to do)
//! goes        old -> ..data/old   old -> ..gen-7/old         old -> ..gen-7/old         -
//! ```
//!
//! At each instant every name resolves to a whole file, and the names of the set that `..data` shows are all there. Each link is
//! replaced by a rename, so a crash anywhere leaves one of the states above; settling again mends it.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
};

use super::{
    Result,
    handle::{Dir, Wipe},
};

/// The link that decides which generation is shown.
pub(super) const CURRENT: &str = "..data";
/// A link on its way to its name.
pub(super) const LINK_NEW: &str = "..link-new";

/// Bridges the names that come with `next`, a generation's directory name, and those that go with `previous`.
pub(super) fn bridge(data: &Dir, tops: &BTreeSet<OsString>, previous: Option<&str>, next: &str) -> Result<()> {
    let shown = visible(data)?;
    for name in tops.difference(&shown) {
        point(data, name, next)?;
    }
    let Some(previous) = previous else { return Ok(()) };
    for name in shown.difference(tops) {
        point(data, name, previous)?;
    }
    Ok(())
}

/// Makes the visible names exactly `tops`, each going through `..data`.
pub(super) fn settle(data: &Dir, tops: &BTreeSet<OsString>) -> Result<()> {
    for name in visible(data)?.difference(tops) {
        data.remove(name, Wipe::Keep)?;
    }
    for name in tops {
        point(data, name, CURRENT)?;
    }
    Ok(())
}

/// Returns the names that do not start with two dots, which are ours.
fn visible(data: &Dir) -> Result<BTreeSet<OsString>> {
    let hidden = |name: &OsString| name.as_encoded_bytes().starts_with(b"..");
    Ok(data.names()?.into_iter().filter(|name| !hidden(name)).collect())
}

/// Lets `name` point at the file of that name in `place`, at one stroke.
fn point(data: &Dir, name: &OsStr, place: &str) -> Result<()> {
    let target = format!("{place}/{}", name.to_string_lossy());
    if data.read_link(name)?.as_deref() == Some(&target) {
        return Ok(());
    }
    data.remove(LINK_NEW, Wipe::Keep)?;
    data.symlink(&target, LINK_NEW)?;
    // A link cannot be renamed over a directory, which only somebody else can have put there.
    if data.child_if_any(name).is_ok_and(|dir| dir.is_some()) {
        data.remove(name, Wipe::Keep)?;
    }
    data.rename(LINK_NEW, name)
}
