//! What a task hears and suffers of an absent server.
//!
//! One event when it begins, with what is held until when, and one when it is over, however often is tried in between. A
//! credential's end is told before it comes and when it has come; then the block's `on_outage` decides. Nothing counts as ended
//! before the server was asked in vain: a clock alone ends nothing.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{sync::mpsc, time::Instant};

use super::{
    act::Order,
    agenda::End,
    files,
    keeper::{Item, Keeper},
};
use crate::domain::{OnOutage, Upkeep};

/// Wait before something at its end is looked at again that is just being dealt with.
const SOON: Duration = Duration::from_secs(1);
/// Names in one event; a task's history is short.
const NAMES: usize = 3;

/// How near its end something has come without a renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    warned: bool,
    ended: bool,
}

impl Ending {
    /// Says whether it has ended and that was told.
    pub(super) fn has_ended(self) -> bool {
        self.ended
    }
}

/// What is told together: names by what is said of them.
type News = BTreeMap<String, Vec<String>>;

impl Keeper {
    /// Tells when the server has gone or come back, if this task needs it now.
    pub(super) fn follow_outage(&mut self) {
        let away = self.away.borrow_and_update().clone();
        match away {
            Some(away) if !self.told_away && self.is_waiting() => {
                self.told_away = true;
                let (since, held) = (moment(away.since), self.held_until());
                self.asker.tell(format!("Secrets server does not answer since {since}; {held}: {}", away.error));
            }
            None if self.told_away => {
                self.told_away = false;
                self.asker.tell("Secrets server answers again".to_owned());
            }
            _ => {}
        }
    }

    /// Looks at things that near or have reached their end.
    pub(super) fn look_at_ends(&mut self, items: Vec<Item>, orders: &mpsc::Sender<Order>) {
        let mut news = News::new();
        for item in items {
            if let Some(text) = self.look_at_end(&item, orders) {
                news.entry(text).or_default().push(self.asker.describe(&item));
            }
        }
        for (text, names) in news {
            self.asker.tell(format!("{} {text}", some_of(names)));
        }
    }

    /// Returns what is to be said about `item`, when that is new.
    fn look_at_end(&mut self, item: &Item, orders: &mpsc::Sender<Order>) -> Option<String> {
        let end = self.end_of(item)?;
        let now = Instant::now();
        if now < end.warning() {
            self.look_again(item, end.warning());
            return None;
        }
        if !self.is_in_trouble(item) {
            self.look_again(item, now + SOON);
            return None;
        }
        if now < end.at {
            self.look_again(item, end.at);
            return self.warn(item, end);
        }
        self.end(item, end, orders)
    }

    fn warn(&mut self, item: &Item, end: End) -> Option<String> {
        let ending = self.endings.entry(item.clone()).or_default();
        let is_new = !std::mem::replace(&mut ending.warned, true) && *item != Item::Session;
        is_new.then(|| format!("cannot be renewed and ends at {}", moment_of(end.at)))
    }

    /// Does what the blocks that use `item` say about its end.
    fn end(&mut self, item: &Item, end: End, orders: &mpsc::Sender<Order>) -> Option<String> {
        if *item == Item::Session {
            // Its leases die with it; their blocks have their say.
            for dependency in self.leased() {
                self.look_again(&Item::Answer(dependency), Instant::now());
            }
            return None;
        }
        let policies: Vec<OnOutage> = self.users(item).into_iter().map(|upkeep| upkeep.on_outage).collect();
        let degrades = policies.contains(&OnOutage::Degrade);
        let ending = self.endings.entry(item.clone()).or_default();
        let is_new = !std::mem::replace(&mut ending.ended, true);
        if degrades && self.holdings.lapsed.insert(item) {
            self.coalescer.note(Instant::now());
        }
        let grace = policies.iter().filter_map(|policy| match policy {
            OnOutage::Stop { grace } => Some(*grace),
            OnOutage::Degrade | OnOutage::Keep => None,
        });
        let grace = grace.min();
        if let Some(grace) = grace {
            self.stop_after(item, end, grace, orders);
        }
        let fate = match (degrades, grace) {
            (_, Some(grace)) if grace.is_zero() => "the task is ended".to_owned(),
            (_, Some(grace)) => format!("the task is ended in {grace:?} unless it can be replaced"),
            (true, None) => "the files made of it are removed".to_owned(),
            (false, None) => "the last good files stay".to_owned(),
        };
        is_new.then(|| format!("has ended without renewal: {fate}"))
    }

    /// Ends the task once the grace has passed as well.
    fn stop_after(&mut self, item: &Item, end: End, grace: Duration, orders: &mpsc::Sender<Order>) {
        let now = Instant::now();
        let at = end.at + grace;
        if now < at {
            return self.look_again(item, at);
        }
        let what = self.asker.describe(item);
        let why = format!("{what} has ended and could not be replaced; its on_outage says stop");
        // A supervisor that is busy takes it when it has told the container of the last change.
        if orders.try_send(Order::Fail(why)).is_err() {
            self.look_again(item, now + SOON);
        }
    }

    fn look_again(&mut self, item: &Item, at: Instant) {
        self.agenda.set(Item::Ending(Box::new(item.clone())), at);
    }

    /// Returns when `item` ends; what is leased ends with the login at the latest.
    pub(super) fn end_of(&self, item: &Item) -> Option<End> {
        let own = self.agenda.end_of(item);
        let Item::Answer(dependency) = item else { return own };
        let is_leased = self.holdings.answers.get(dependency).is_some_and(|answer| answer.lease.is_some());
        let login = self.agenda.end_of(&Item::Session).filter(|_| is_leased);
        own.into_iter().chain(login).min_by_key(|end| end.at)
    }

    /// Says whether `item` was asked for in vain, or waits for a server that is away.
    fn is_in_trouble(&self, item: &Item) -> bool {
        let fails = |item: &Item| self.failures.contains_key(item);
        fails(item)
            || matches!(item, Item::Answer(_)) && fails(&Item::Session)
            || self.queue.holds(item) && self.away.borrow().is_some()
    }

    /// Says whether this task wants something of the server now.
    fn is_waiting(&self) -> bool {
        !self.queue.is_empty() || self.failures.values().any(|failure| failure.is_silence())
    }

    /// Returns how the blocks that use `item` are kept up.
    fn users(&self, item: &Item) -> Vec<&Upkeep> {
        match item {
            Item::Answer(dependency) => files::users(&self.asker.plan, &self.holdings, dependency),
            Item::Certificate(name) => {
                let plans = self.asker.plan.certificates.iter();
                plans.filter(|plan| plan.request.name == *name).map(|plan| &plan.request.upkeep).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Lists what ends, the earliest first, for an event.
    fn held_until(&self) -> String {
        let answers = self.holdings.answers.keys().cloned().map(Item::Answer);
        let items = answers.chain(self.holdings.certificates.keys().cloned().map(Item::Certificate));
        let mut ends: Vec<(Instant, Item)> =
            items.filter_map(|item| self.end_of(&item).map(|end| (end.at, item))).collect();
        ends.sort();
        if ends.is_empty() {
            return "what is held stays".to_owned();
        }
        let named = ends.iter().map(|(at, item)| format!("{} until {}", self.asker.describe(item), moment_of(*at)));
        format!("what is held stays: {}", some_of(named.collect()))
    }
}

/// Lists some of `names`, and how many more there are.
fn some_of(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

/// Returns the wall clock's reading at `at`, if nobody turns it until then.
fn moment_of(at: Instant) -> String {
    let now = Instant::now();
    let wall = SystemTime::now();
    let at = match at.checked_duration_since(now) {
        Some(ahead) => wall.checked_add(ahead),
        None => wall.checked_sub(now.duration_since(at)),
    };
    at.map(moment).unwrap_or_else(|| "a distant time".to_owned())
}

/// Words a moment.
pub(super) fn moment(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_three_and_counts_the_rest() {
        let names = |n: usize| some_of((1..=n).map(|n| format!("s{n}")).collect());
        assert_eq!((names(1), names(3), names(5)), ("s1".into(), "s1, s2, s3".into(), "s1, s2, s3 and 2 more".into()));
    }
}
