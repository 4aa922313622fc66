//! Why no rule lets a task have something, and what the operator can do.

use std::time::Duration;

use super::checked::Checked;
use crate::domain::TaskMeta;

/// No rule covers what a task asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no allow rule for {task} covers {what} {which:?}; {hint}")]
pub struct PolicyRefused {
    /// What kind of thing: a role, a path, a PKI role, a name.
    pub what: &'static str,
    /// Which one.
    pub which: String,
    /// What the operator can do.
    pub hint: String,
    pub(super) task: String,
}

/// What a task asks for, in words.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) what: &'static str,
    pub(super) list: &'static str,
    pub(super) which: &'a str,
}

impl Wish<'_> {
    pub(super) fn refused(&self, meta: &TaskMeta, nearest: Option<(usize, &Checked)>) -> PolicyRefused {
        let list = self.list;
        let hint = match nearest {
            Some((number, rule)) => {
                format!(
                    "allow rule {number} (job {:?}) is for this task; add it to that rule's {list}",
                    rule.job.as_str()
                )
            }
            None => {
                format!("add an allow block for {} with it in {list} to the plugin's configuration", block_for(meta))
            }
        };
        self.with_hint(meta, hint)
    }

    /// A rule grants it, but not for so long.
    pub(super) fn too_long(
        &self,
        meta: &TaskMeta,
        (number, rule): (usize, &Checked),
        life: Option<Duration>,
    ) -> PolicyRefused {
        let most = rule.max_ttl.unwrap_or_default().as_secs();
        let asked = match life {
            Some(life) => format!("for {} s; ask for at most {most} s", life.as_secs()),
            None => format!("for as long as the server likes; say a ttl of at most {most} s"),
        };
        self.with_hint(meta, format!("allow rule {number} grants it, but by its max_ttl not {asked}, or raise max_ttl"))
    }

    fn with_hint(&self, meta: &TaskMeta, hint: String) -> PolicyRefused {
        PolicyRefused {
            what: self.what,
            which: self.which.to_owned(),
            hint,
            task: format!(
                "namespace {:?} job {:?} group {:?} task {:?}",
                meta.namespace, meta.job_id, meta.group, meta.name
            ),
        }
    }
}

/// Returns which block would be for this task. Each child of a dispatched or periodic job has a name of its own.
fn block_for(meta: &TaskMeta) -> String {
    let kind = ["dispatch", "periodic"].into_iter().find_map(|kind| {
        let (parent, _) = meta.job_id.rsplit_once(&format!("/{kind}-"))?;
        Some(format!("{parent}/{kind}-*"))
    });
    match kind {
        Some(children) => format!("this job's children (job = {children:?}, and vault_role in the job)"),
        None => "this job".to_owned(),
    }
}
