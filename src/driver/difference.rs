//! What the difference between two generations calls for. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{files::VARIABLES, plan::Plan};
use crate::domain::{ChangeAction, RelPath, TaskKey, Upkeep};

/// A change and what the container is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// The blocks whose files differ, for an event: names only.
    pub what: String,
    /// What to do: a restart alone where one is called for, since it tells the container everything.
    pub actions: Vec<ChangeAction>,
    /// How long to wait before it.
    pub splay: Duration,
}

/// Compares the fingerprints of two generations of the files of `plan`.
pub(super) fn between(plan: &Plan, old: &BTreeMap<RelPath, String>, new: &BTreeMap<RelPath, String>) -> Difference {
    let paths: BTreeSet<&RelPath> =
        old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path)).collect();
    // What is in the file of variables is in its blocks' own files, too, and those are spoken of.
    let paths: BTreeSet<&RelPath> = paths.into_iter().filter(|path| path.as_str() != VARIABLES).collect();
    let upkeeps: Vec<&Upkeep> = paths.iter().filter_map(|path| plan.block_of(path)).map(|(_, upkeep)| upkeep).collect();
    let told = upkeeps.iter().filter(|upkeep| upkeep.on_change != ChangeAction::Noop);
    Difference {
        what: paths.iter().map(|path| path.top()).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", "),
        actions: actions(&upkeeps),
        splay: told.map(|upkeep| upkeep.splay).max().unwrap_or_default().mul_f64(share(&plan.meta.id.key())),
    }
}

/// Returns the scripts that also run once after the start.
pub(super) fn first_runs(plan: &Plan) -> Vec<ChangeAction> {
    let first = |upkeep: &&Upkeep| matches!(&upkeep.on_change, ChangeAction::Script(script) if script.first_run);
    actions(&plan.blocks().map(|(.., upkeep)| upkeep).filter(first).collect::<Vec<_>>())
}

fn actions(upkeeps: &[&Upkeep]) -> Vec<ChangeAction> {
    let mut actions: Vec<ChangeAction> = Vec::new();
    for action in upkeeps.iter().map(|upkeep| &upkeep.on_change) {
        if *action != ChangeAction::Noop && !actions.contains(action) {
            actions.push(action.clone());
        }
    }
    if actions.contains(&ChangeAction::Restart) {
        return vec![ChangeAction::Restart];
    }
    actions
}

/// Returns a task's share of every splay, between 0 and 1: the tasks of a job spread, and each stays where it is, so that
/// one who looks at a change can tell when it will be acted upon.
fn share(key: &TaskKey) -> f64 {
    let digest = Sha256::digest(key.as_str());
    let head = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(head) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChangeScript, Signal};

    fn upkeep(on_change: ChangeAction) -> Upkeep {
        on_change.into()
    }

    #[test]
    fn a_restart_beats_the_rest_and_equal_actions_are_one() {
        let script = ChangeScript {
            command: "reload".into(),
            args: Vec::new(),
            timeout: Duration::from_secs(5),
            fail_on_error: false,
            first_run: false,
        };
        let (hup, script) = (upkeep(ChangeAction::Signal(Signal::HUP)), upkeep(ChangeAction::Script(script)));
        let (noop, restart) = (upkeep(ChangeAction::Noop), upkeep(ChangeAction::Restart));
        assert_eq!(actions(&[&hup, &script, &noop, &hup, &script]), [hup.on_change.clone(), script.on_change.clone()]);
        assert_eq!(actions(&[&hup, &restart, &script]), [ChangeAction::Restart]);
        assert!(actions(&[&noop]).is_empty());
    }

    #[test]
    fn each_task_has_its_own_share_of_a_splay_and_keeps_it() {
        let key = |n: u32| format!("550e8400/web/{n}").parse::<crate::domain::TaskId>().expect("an id").key();
        let shares: BTreeSet<u64> = (0..100).map(|n| (share(&key(n)) * 1000.0) as u64).collect();
        assert!(shares.len() > 80 && shares.iter().all(|share| *share <= 1000));
        assert_eq!(share(&key(1)), share(&key(1)));
    }
}
