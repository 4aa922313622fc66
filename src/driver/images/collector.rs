//! Takes images away that nobody has used for a while.
//!
//! Only names are taken, never by force: the engine keeps what a container of anybody's needs, and a name that the driver
//! did not bring stays unless the operator lets all go. "In use" and "not there" are answers and not faults.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{Images, ledger::Entry};
use crate::{
    container::{Engine, ImageNames, ImageRemoval},
    driver::{DriverError, parts::Parts, settings::Collect},
};

/// Longest sleep; also how soon a failed look at the engine is repeated.
const ROUND: Duration = Duration::from_secs(60);

/// Shortest sleep, while a start holds what is due.
const BREATH: Duration = Duration::from_millis(200);

/// Collects for as long as the process lives and is the one that acts.
pub(in crate::driver) async fn run(parts: Arc<Parts>) {
    let images = &parts.images;
    while !parts.journal.is_superseded() {
        images.collect(parts.engine.as_ref()).await;
        let wait = images.until_due().map_or(ROUND, |due| due.clamp(BREATH, ROUND));
        tokio::select! {
            () = images.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Images {
    /// Does one round.
    pub(super) async fn collect(&self, engine: &dyn Engine) {
        for name in self.overdue() {
            if let Err(error) = self.settle(engine, &name).await {
                tracing::debug!(image = name, %error, "An image that was being pulled could not be looked at");
            }
        }
        for id in self.due() {
            let Some(claim) = self.claim(&id) else { continue };
            match self.remove(engine, &id, &claim.entry).await {
                Ok(ImageRemoval::InUse) => self.postpone(&id),
                Ok(ImageRemoval::Done | ImageRemoval::NotFound) => self.forget(&id),
                Err(error) => {
                    tracing::warn!(image = id, %error, "An unused image was not removed; it is tried again");
                    self.postpone(&id);
                }
            }
        }
    }

    /// Finds out what became of a pull that was cut off.
    async fn settle(&self, engine: &dyn Engine, name: &str) -> Result<(), DriverError> {
        let found = engine.look_at_image(name).await?;
        self.settled(name, found.as_ref().map(|found| found.id.as_str()));
        Ok(())
    }

    /// Takes the image's names, and what has none.
    async fn remove(&self, engine: &dyn Engine, id: &str, entry: &Entry) -> Result<ImageRemoval, DriverError> {
        let names = self.names_to_take(entry);
        for name in &names {
            // A name that means another image by now is somebody else's affair.
            let means_it = engine.look_at_image(name).await?.is_some_and(|found| found.id == id);
            if means_it && engine.remove_image(name).await? == ImageRemoval::InUse {
                return Ok(ImageRemoval::InUse);
            }
        }
        // What lost its last name when that moved on has none that could be taken.
        let left = engine.look_at_image(id).await?;
        if left.is_some_and(|left| self.is_nobodys(entry, &left))
            && engine.remove_image(id).await? == ImageRemoval::InUse
        {
            return Ok(ImageRemoval::InUse);
        }
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        tracing::info!(image = id, names, "Unused image removed");
        Ok(ImageRemoval::Done)
    }

    fn names_to_take(&self, entry: &Entry) -> BTreeSet<String> {
        match self.settings.collect {
            Collect::Any => entry.brought.union(&entry.asked).cloned().collect(),
            Collect::Nothing | Collect::Pulled => entry.brought.clone(),
        }
    }

    fn is_nobodys(&self, entry: &Entry, left: &ImageNames) -> bool {
        let ours = || !entry.repositories.is_empty() && left.digests.iter().all(|digest| entry.came_with(digest));
        left.tags.is_empty() && (self.settings.collect == Collect::Any || ours())
    }
}
