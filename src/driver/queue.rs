//! What a task has to ask of the server now, in the order in which it ends, and the task's place among the others.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use super::{
    keeper::Item,
    turns::{Place, Turn, Turns},
};

/// The things that wait for a turn.
pub(super) struct Queue {
    turns: Arc<Turns>,
    ends: BTreeMap<Item, Instant>,
    place: Option<Place>,
}

impl Queue {
    /// Returns an empty queue for turns at one server.
    pub(super) fn new(turns: Arc<Turns>) -> Self {
        Self { turns, ends: BTreeMap::new(), place: None }
    }

    /// Adds something that ends at `end`; what waits already keeps one place.
    pub(super) fn push(&mut self, item: Item, end: Instant) {
        self.ends.insert(item, end);
    }

    /// Says whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Says whether `item` waits.
    pub(super) fn holds(&self, item: &Item) -> bool {
        self.ends.contains_key(item)
    }

    /// Drops what is not `wanted` any more.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Item) -> bool) {
        self.ends.retain(|item, _| wanted(item));
    }

    /// Waits for the turn of what ends first; for ever when nothing waits. May be dropped and asked again.
    pub(super) async fn turn(&mut self) -> (Item, Turn) {
        let Some((item, end)) = self.first() else {
            self.place = None;
            return std::future::pending().await;
        };
        if self.place.as_ref().is_none_or(|place| place.end() != end) {
            self.place = Some(self.turns.queue(end));
        }
        let turn = match &mut self.place {
            Some(place) => place.await,
            None => std::future::pending().await,
        };
        self.place = None;
        self.ends.remove(&item);
        (item, turn)
    }

    fn first(&self) -> Option<(Item, Instant)> {
        self.ends.iter().min_by_key(|(_, end)| **end).map(|(item, end)| (item.clone(), *end))
    }
}
