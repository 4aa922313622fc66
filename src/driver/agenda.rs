//! What a keeper has to do and when, and until when each thing that it holds is good.
//!
//! By the monotonic clock alone: a wall clock that jumps neither hurries nor forgets anything. Times come from the lives that
//! the server granted; what an earlier process was granted counts from the record's wall clock, and is asked for soon after.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use rand::Rng;
use tokio::time::Instant;

use super::{
    holdings::{Answer, Holdings, Timed},
    keeper::Item,
};
use crate::{
    domain::{RelPath, Session},
    lease::{self, Schedule},
    pki::IssuedCertificate,
    template::Dependency,
};

/// How many times rarer a pinned version is looked at.
const PINNED: u32 = 5;
const SECOND: Duration = Duration::from_secs(1);

/// When something ends, and how long it lived by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// When.
    pub at: Instant,
    /// The whole life.
    pub life: Duration,
}

/// Times and ends.
pub(super) struct Agenda {
    schedule: Schedule<Item>,
    ends: BTreeMap<Item, End>,
    kv_poll: Duration,
}

impl End {
    /// Returns when somebody should hear of it who can still do something.
    pub(super) fn warning(&self) -> Instant {
        self.at.checked_sub(self.life / 10).unwrap_or(self.at)
    }
}

impl Agenda {
    /// Returns an empty agenda; what has no life of its own will be looked at every `kv_poll` or so.
    pub(super) fn new(kv_poll: Duration) -> Self {
        Self { schedule: Schedule::default(), ends: BTreeMap::new(), kv_poll }
    }

    /// Plans `item` for `at`, instead of what was planned for it before.
    pub(super) fn set(&mut self, item: Item, at: Instant) {
        self.schedule.set(item, at);
    }

    /// Plans `item` for as long from now.
    pub(super) fn set_in(&mut self, item: Item, wait: Duration) {
        self.set(item, Instant::now() + wait);
    }

    /// Returns when something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// Takes out what is due now, the earliest first.
    pub(super) fn due(&mut self) -> Vec<Item> {
        self.schedule.due(Instant::now())
    }

    /// Returns when `item` ends, if it does.
    pub(super) fn end_of(&self, item: &Item) -> Option<End> {
        self.ends.get(item).copied()
    }

    /// Forgets answers that nothing uses any more.
    pub(super) fn keep_answers(&mut self, used: impl Fn(&Dependency) -> bool) {
        let unused = |item: &&Item| matches!(item.subject(), Item::Answer(dependency) if !used(dependency));
        let gone: Vec<Item> = self.schedule.keys().filter(unused).cloned().collect();
        for item in gone {
            self.schedule.remove(&item);
        }
        self.ends.retain(|item, _| !unused(&item));
    }

    /// Plans everything that is held, from what the record says of its life.
    pub(super) fn take(&mut self, holdings: &Holdings) {
        if let Some(session) = &holdings.session {
            self.session(session);
        }
        for (dependency, answer) in &holdings.answers {
            self.answer(dependency, answer);
        }
        for (name, certificate) in &holdings.certificates {
            self.certificate(name, certificate);
        }
    }

    /// Plans the renewal of a login.
    pub(super) fn session(&mut self, session: &Timed<Session>) {
        let rest = session.rest(SystemTime::now());
        self.ends.remove(&Item::Session);
        if session.life > Duration::ZERO {
            self.set_in(Item::Session, lease::renew_after(rest, fraction()));
            self.end(Item::Session, rest, session.life);
        }
    }

    /// Plans the renewal of a lease, or the next look at an answer that has none.
    pub(super) fn answer(&mut self, dependency: &Dependency, answer: &Answer) {
        let now = SystemTime::now();
        let item = Item::Answer(dependency.clone());
        self.ends.remove(&item);
        match (&answer.lease, answer.expiration()) {
            (Some(lease), _) if lease.life > Duration::ZERO => {
                let rest = lease.rest(now);
                self.set_in(item.clone(), lease::renew_after(rest, fraction()));
                self.end(item, rest, lease.life);
            }
            (None, Some(end)) => {
                self.set_in(item.clone(), lease::certificate_due(answer.read_at, end, now, fraction()));
                self.dated_end(item, answer.read_at, end);
            }
            (None, None) if dependency.is_write() => {}
            _ => self.set_in(item, self.look_after(dependency, answer, now)),
        }
    }

    /// Returns when something without a lease is looked at again.
    ///
    /// A password that the server rotates is read right after its time, and in between as often as any other secret, since
    /// somebody may rotate it out of turn. A pinned version never changes; only its end is looked for.
    fn look_after(&self, dependency: &Dependency, answer: &Answer, now: SystemTime) -> Duration {
        let alone = || lease::poll_after(interval(self.kv_poll, dependency), fraction());
        // What others read too is looked at when all of them do.
        let poll = answer.look_at.map_or_else(alone, |at| at.saturating_duration_since(Instant::now()));
        let named = answer.next_value().map(|at| at.duration_since(now).unwrap_or_default());
        named.map_or(poll, |named| named.max(SECOND).min(poll))
    }

    /// Plans the re-issue of a certificate from its own dates.
    pub(super) fn certificate(&mut self, name: &RelPath, certificate: &IssuedCertificate) {
        let (start, end) = (certificate.not_before, certificate.not_after);
        let item = Item::Certificate(name.clone());
        self.set_in(item.clone(), lease::certificate_due(start, end, SystemTime::now(), fraction()));
        self.dated_end(item, start, end);
    }

    fn dated_end(&mut self, item: Item, start: SystemTime, end: SystemTime) {
        let life = end.duration_since(start).unwrap_or_default();
        self.end(item, end.duration_since(SystemTime::now()).unwrap_or_default(), life);
    }

    /// Notes the end, and has it looked after if it should come.
    fn end(&mut self, item: Item, rest: Duration, life: Duration) {
        // An end beyond what a timer takes is none.
        let Some(at) = Instant::now().checked_add(rest) else { return };
        let end = End { at, life };
        self.ends.insert(item.clone(), end);
        self.set(Item::Ending(Box::new(item)), end.warning());
    }
}

/// Returns how often `dependency` is looked at, give or take a fifth, where other secrets are every `kv_poll`.
pub(super) fn interval(kv_poll: Duration, dependency: &Dependency) -> Duration {
    if dependency.query.contains_key("version") { kv_poll * PINNED } else { kv_poll }
}

fn fraction() -> f64 {
    rand::rng().random()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Lease, LeaseId};

    fn lease(life: Duration) -> Answer {
        let lease = Lease { id: LeaseId("a".into()), duration: life, renewable: true };
        Answer { lease: Some(Timed::granted(lease, life)), ..Answer::absent() }
    }

    fn path() -> Dependency {
        Dependency::read("kv/a".parse().expect("a path"))
    }

    proptest! {
        #[test]
        fn whatever_life_a_server_grants_its_renewal_is_within_it_and_its_end_after_that(seconds in 1..=u64::MAX) {
            let mut agenda = Agenda::new(Duration::from_secs(60));
            let before = Instant::now();
            agenda.answer(&path(), &lease(Duration::from_secs(seconds)));
            let due = agenda.next().expect("it is planned");
            prop_assert!(due > before);
            if let Some(end) = agenda.end_of(&Item::Answer(path())) {
                prop_assert!(due < end.at && due < end.warning());
            }
        }
    }

    #[test]
    fn the_hint_of_32_days_that_kv_1_gives_is_no_life() {
        let mut agenda = Agenda::new(Duration::from_secs(60));
        let value = serde_json::json!({ "data": { "a": "b" }, "lease_id": "", "lease_duration": 2_764_800 });
        agenda.answer(&path(), &Answer { value: value.into(), ..Answer::absent() });
        assert!(agenda.next().expect("a look") < Instant::now() + Duration::from_secs(73));
        assert_eq!(agenda.end_of(&Item::Answer(path())), None);
    }

    #[test]
    fn a_deletion_that_is_to_come_is_looked_at_when_it_has_come() {
        let at = |seconds| {
            let at = time::OffsetDateTime::now_utc() + Duration::from_secs(seconds);
            at.format(&time::format_description::well_known::Rfc3339).expect("a time")
        };
        let look = |deletion_time: String| {
            let mut agenda = Agenda::new(Duration::from_secs(3600));
            let metadata = serde_json::json!({ "version": 1, "deletion_time": deletion_time });
            let value = serde_json::json!({ "data": { "data": { "a": "b" }, "metadata": metadata } });
            agenda.answer(&path(), &Answer { value: value.into(), ..Answer::absent() });
            agenda.next().expect("a look") - Instant::now()
        };
        let soon = look(at(20));
        assert!(soon > Duration::from_secs(18) && soon < Duration::from_secs(22), "{soon:?}");
        for ordinary in [String::new(), at(86_400), "2020-01-01T00:00:00Z".to_owned(), "no time".to_owned()] {
            assert!(look(ordinary.clone()) > Duration::from_secs(2800), "{ordinary:?}");
        }
    }

    #[test]
    fn what_is_used_no_more_is_forgotten_with_its_end() {
        let mut agenda = Agenda::new(Duration::from_secs(60));
        agenda.answer(&path(), &lease(Duration::from_secs(60)));
        agenda.keep_answers(|_| false);
        assert_eq!((agenda.next(), agenda.end_of(&Item::Answer(path()))), (None, None));
    }
}
