//! How a keeper shows a new set of files: render all, flip once, owe the action.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::{
    DriverError, acquire,
    deed::Deed,
    difference::{self, Difference},
    files::{self, Outcome, Rendered},
    holdings::Owed,
    keeper::{Item, Keeper},
    loss, plan,
};
use crate::{
    domain::{ChangeAction, FileSet, Generation, OnLoss, RelPath, fail_point},
    template::Dependency,
};

/// Wait before a set of files that could not be published is tried again.
const PUBLISH_PAUSE: Duration = Duration::from_secs(15);

impl Keeper {
    /// Renders everything and shows the new set when it differs from the visible one.
    pub(super) async fn publish(&mut self) {
        self.coalescer.reset();
        match self.render().await {
            Ok(rendered) => {
                self.unpublished = None;
                self.forget_unused(&rendered.used);
                self.show(rendered);
            }
            Err(error) => self.keep_old(&error),
        }
        self.save();
    }

    /// Renders, asking for what a changed template newly needs.
    async fn render(&mut self) -> Result<Rendered, DriverError> {
        let token = self.asker.token(&self.holdings)?;
        for _ in 0..acquire::PASSES {
            match files::render(&self.asker.plan, &self.holdings)? {
                Outcome::Whole(rendered) => return Ok(rendered),
                Outcome::Missing(wanted) => {
                    let answers = self.asker.ask_all(&token, wanted).await?;
                    for (dependency, answer) in answers {
                        self.hold(dependency, answer);
                    }
                }
            }
        }
        Err(acquire::endless())
    }

    fn show(&mut self, rendered: Rendered) {
        self.doom = loss::doom(&rendered.lost);
        let prints = files::fingerprints(&rendered.files);
        if prints == self.holdings.fingerprints {
            let replaced = std::mem::take(&mut self.holdings.superseded);
            self.retire(replaced);
            return;
        }
        let Difference { what, actions, splay } =
            difference::between(&self.asker.plan, &self.holdings.fingerprints, &prints);
        let vanished = |path: &RelPath| prints.keys().all(|shown| !shown.overlaps(path));
        let restarts = rendered.lost.iter().any(|(path, policy)| *policy == OnLoss::Restart && vanished(path));
        let actions = if restarts { vec![ChangeAction::Restart] } else { actions };
        let generation = self.next_generation();
        let mut set = rendered.files;
        files::give_owners(&mut set, &self.asker.plan, &self.holdings.owners);
        files::add_manifest(&mut set, generation, &self.holdings, &prints);

        self.owe(Owed { generation, actions, what, ..Owed::default() });
        self.save();
        fail_point("before-flip");
        if let Err(error) = self.flip(&set, generation) {
            self.owe_nothing();
            self.keep_old(&error);
            return;
        }
        fail_point("after-flip");
        self.holdings.generation = generation;
        self.holdings.fingerprints = prints;
        self.asker.receipts.delivered(&self.holdings, generation);
        self.agenda.set_in(Item::Generations, super::GENERATION_LINGER);
        self.deed = Deed::Waiting(Instant::now() + splay);
    }

    fn flip(&self, set: &FileSet, generation: Generation) -> Result<(), DriverError> {
        Ok(self.dir.publish(set, self.owner, generation)?)
    }

    fn next_generation(&self) -> Generation {
        self.dir.current().unwrap_or_default().max(self.holdings.generation).next()
    }

    /// Takes the fingerprints from the files that the container really sees.
    pub(super) fn refresh_fingerprints(&mut self) {
        match self.dir.read_current() {
            Ok(mut set) => {
                set.files.retain(|path, _| path.as_str() != plan::MANIFEST);
                self.holdings.fingerprints = files::fingerprints(&set);
            }
            Err(error) => {
                tracing::warn!(task_id = %self.asker.plan.meta.id, %error, "The visible files could not be read back")
            }
        }
    }

    /// Drops answers that no output uses any more; their leases end with the session.
    fn forget_unused(&mut self, used: &BTreeSet<Dependency>) {
        self.holdings.answers.retain(|dependency, _| used.contains(dependency));
        let unused = |item: &Item| matches!(item.subject(), Item::Answer(dependency) if !used.contains(dependency));
        self.agenda.keep_answers(|dependency| used.contains(dependency));
        self.queue.retain(|item| !unused(item));
        self.failures.retain(|item, _| !unused(item));
        self.endings.retain(|item, _| !unused(item));
        self.holdings.lapsed.answers.retain(|dependency| used.contains(dependency));
        self.holdings.demanded.answers.retain(|dependency| used.contains(dependency));
        self.demands.retain(|item| !unused(item));
    }

    fn keep_old(&mut self, error: &DriverError) {
        self.agenda.set_in(Item::Publish, PUBLISH_PAUSE);
        tracing::warn!(task_id = %self.asker.plan.meta.id, %error, "The new set of files was not published; the old one stays");
        if self.unpublished.replace(error.clone()).is_none() {
            self.asker.tell(format!("New secrets not published, the old files stay: {error}"));
        }
    }

    /// Removes old generations that readers have left by now.
    pub(super) fn sweep_generations(&mut self) {
        if let Err(error) = self.dir.sweep_generations() {
            tracing::warn!(task_id = %self.asker.plan.meta.id, %error, "Old generations were not removed");
        }
    }
}
