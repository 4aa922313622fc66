//! The servers of one cluster: which of them is asked, and what is done when it does not serve.
//!
//! One works and is stuck to. When it is not reached, or says itself that it does not serve, the same request goes to the
//! next one, since nobody has looked at it. A request that a server may have heard is not sent twice: its error goes back to
//! the one who asked, and the next request goes to the next server. Each server has a breaker of its own, shared by all.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Url;
use rustify::endpoint::Endpoint;
use tokio::time::Instant;
use vaultrs::client::VaultClient;
use zeroize::Zeroizing;

use super::{
    Error, Kind, Settings, SettingsError,
    answer::{Standing, asked_pause, moved_to, standing},
    breaker::Breaker,
    endpoint::Call,
    error::chain,
    http::{Answer, Exchange, Headers, TransportError, vault_client},
    traffic::Traffic,
};
use crate::domain::Backoff;

/// Shortest time that is worth a try at another server.
const WORTHWHILE: Duration = Duration::from_millis(50);
/// Pauses after a server has had too much and does not say for how long.
const FLOODED: Backoff = Backoff::between(Duration::from_millis(500), Duration::from_secs(8));
/// Why a server is left alone.
const SILENT: &str = "it has not answered lately";

/// All servers of a cluster.
pub(super) struct Cluster {
    pub(super) settings: Settings,
    nodes: Vec<Node>,
    current: AtomicUsize,
    traffic: Traffic,
    floods: AtomicUsize,
    /// Of the files that decide about trust, as they were read last.
    digest: Mutex<Vec<u8>>,
}

/// One server.
struct Node {
    url: Url,
    /// Replaced when a file of trust has changed; a plain lock, since it is only held to copy the pointer.
    inner: RwLock<Arc<VaultClient>>,
    breaker: Breaker,
}

/// How a try at one server went.
enum Tried {
    Answered(Answer),
    Failed(TransportError),
    /// The server has not looked at the request; the outcome to report when no other does.
    Next(Box<Tried>, Option<usize>),
}

impl Cluster {
    pub(super) fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        // Before they are read in earnest: what changes in between is a change.
        let digest = Mutex::new(settings.digest_of_files());
        let first = settings.to_begin_with();
        let node = |url: Url| {
            let inner = RwLock::new(Arc::new(vault_client(&first, &url)?));
            Ok(Node { url, inner, breaker: Breaker::default() })
        };
        let nodes = settings.urls()?.into_iter().map(node).collect::<Result<_, SettingsError>>()?;
        let traffic = Traffic::new(settings.max_in_flight, settings.max_rate);
        Ok(Self { nodes, current: AtomicUsize::new(0), traffic, floods: AtomicUsize::new(0), digest, settings })
    }

    /// Returns the address of the server that is asked first, for messages.
    pub(super) fn address(&self) -> &str {
        self.address_of(self.current())
    }

    /// Sends one request when there is room for it, and returns whatever comes back.
    pub(super) async fn exchange(
        &self,
        action: &str,
        call: &Call,
        headers: &Headers,
        limit: Duration,
    ) -> Result<Answer, Error> {
        // Nobody waits for a turn, and takes it from others, only to hear that the server is left alone.
        let now = Instant::now();
        let rest = self.nodes.iter().map(|node| node.breaker.rest(now)).min().unwrap_or_default();
        if !rest.is_zero() {
            return Err(self.resting(action, rest, SILENT));
        }
        let _turn = self.traffic.enter().await.map_err(|wait| self.resting(action, wait, "too many requests wait"))?;
        let deadline = Instant::now() + limit;
        let mut order = self.order().map_err(|wait| self.resting(action, wait, SILENT))?;
        let mut last = None;
        while let Some(at) = order.pop() {
            let rest = if last.is_none() { limit } else { deadline.saturating_duration_since(Instant::now()) };
            if rest < WORTHWHILE && last.is_some() {
                break;
            }
            match self.try_one(at, call, headers, rest).await {
                Tried::Next(outcome, to) => {
                    last = Some((at, *outcome));
                    if let Some(to) = to.filter(|to| order.contains(to)) {
                        order.retain(|at| *at != to);
                        order.push(to);
                    }
                }
                settled => {
                    last = Some((at, settled));
                    break;
                }
            }
        }
        let (at, outcome) = last.expect("there is at least one server to try");
        self.report(action, at, outcome)
    }

    /// Sends a probe of the server itself, past caps and breaker, since it is what ends an outage.
    pub(super) async fn probe(&self, action: &str, call: &Call, headers: &Headers) -> Result<Answer, Error> {
        let mut last = None;
        let current = self.current();
        for at in (0..self.nodes.len()).map(|step| (current + step) % self.nodes.len()) {
            match self.send(at, call, headers, self.settings.request_timeout).await {
                Ok(answer) => return Ok(answer),
                Err((error, _)) => last = Some((at, error)),
            }
        }
        let (at, error) = last.expect("there is at least one server to try");
        self.report(action, at, Tried::Failed(error))
    }

    /// Reads the files of trust again when they have changed, so that the next exchange uses what the operator has put
    /// there meanwhile.
    pub(super) fn reload_trust(&self) {
        let digest = self.settings.digest_of_files();
        if *self.digest.lock().unwrap_or_else(PoisonError::into_inner) == digest {
            return;
        }
        for node in &self.nodes {
            // Files that are being exchanged do not fit for a moment; the old ones stay until they do.
            let fresh = match vault_client(&self.settings, &node.url) {
                Ok(fresh) => fresh,
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "Files of trust have changed and do not fit; the ones before are used on");
                    return;
                }
            };
            *node.inner.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        }
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner) = digest;
    }

    async fn try_one(&self, at: usize, call: &Call, headers: &Headers, limit: Duration) -> Tried {
        let node = &self.nodes[at];
        match self.send(at, call, headers, limit).await {
            Ok(answer) => {
                if let Some(to) = moved_to(&answer, &node.url).and_then(|url| self.node_of(&url, &node.url, call)) {
                    self.leave(at);
                    return Tried::Next(Box::new(Tried::Answered(answer)), Some(to));
                }
                self.judge(at, answer)
            }
            Err((error, unsent)) => {
                self.fail(at);
                match unsent && !matches!(error, TransportError::Request) {
                    true => Tried::Next(Box::new(Tried::Failed(error)), None),
                    false => Tried::Failed(error),
                }
            }
        }
    }

    async fn send(
        &self,
        at: usize,
        call: &Call,
        headers: &Headers,
        limit: Duration,
    ) -> Result<Answer, (TransportError, bool)> {
        let inner = self.nodes[at].inner.read().unwrap_or_else(PoisonError::into_inner).clone();
        let exchange = Exchange::new(&inner, limit);
        let result = call.clone().with_middleware(&headers.0).exec(&exchange).await;
        match result {
            Ok(result) => {
                let (parts, body) = result.response.into_parts();
                Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: Zeroizing::new(body) })
            }
            Err(_) => Err(exchange.failure()),
        }
    }

    /// Takes in what an answer says about its server.
    fn judge(&self, at: usize, answer: Answer) -> Tried {
        match standing(&answer) {
            Standing::Serves => {
                self.nodes[at].breaker.answered();
                self.floods.store(0, Ordering::Relaxed);
                self.current.store(at, Ordering::Relaxed);
                Tried::Answered(answer)
            }
            Standing::Flooded => {
                self.nodes[at].breaker.answered();
                let floods = u32::try_from(self.floods.fetch_add(1, Ordering::Relaxed)).unwrap_or(u32::MAX);
                self.traffic.pause(asked_pause(&answer).unwrap_or_else(|| FLOODED.wait(floods, rand::random())));
                Tried::Answered(answer)
            }
            Standing::Refers => {
                self.fail(at);
                Tried::Next(Box::new(Tried::Answered(answer)), None)
            }
            Standing::Unsure => {
                self.fail(at);
                Tried::Answered(answer)
            }
        }
    }

    fn report(&self, action: &str, at: usize, outcome: Tried) -> Result<Answer, Error> {
        match outcome {
            Tried::Answered(answer) => Ok(answer),
            Tried::Next(outcome, _) => self.report(action, at, *outcome),
            Tried::Failed(error) => {
                let error = Error::transport(action, self.address_of(at), error);
                if matches!(error.kind(), Kind::ClientRefused | Kind::Tls) {
                    self.reload_trust();
                }
                Err(error)
            }
        }
    }

    /// Returns which servers to try, the last one first; those that rest are left out.
    ///
    /// # Errors
    /// All rest; the time until the first does not.
    fn order(&self) -> Result<Vec<usize>, Duration> {
        let (current, now) = (self.current(), Instant::now());
        let (mut order, mut soonest) = (Vec::new(), Duration::MAX);
        for at in (0..self.nodes.len()).map(|step| (current + step) % self.nodes.len()) {
            match self.nodes[at].breaker.ask(now) {
                Ok(()) => order.push(at),
                Err(wait) => soonest = soonest.min(wait),
            }
        }
        order.reverse();
        if order.is_empty() { Err(soonest) } else { Ok(order) }
    }

    /// Returns the configured server that `target` is, when the redirect from `from` names the very path that was asked for.
    fn node_of(&self, target: &Url, from: &Url, call: &Call) -> Option<usize> {
        let same_path = target.path() == format!("/v1/{}", call.path()) && target.fragment().is_none();
        let at = self.nodes.iter().position(|node| node.url.origin() == target.origin());
        at.filter(|_| same_path && target.origin() != from.origin())
    }

    fn fail(&self, at: usize) {
        self.nodes[at].breaker.failed(Instant::now(), rand::random());
        self.leave(at);
    }

    /// Makes the next server the first choice, when this one was.
    fn leave(&self, at: usize) {
        let next = (at + 1) % self.nodes.len();
        self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).ok();
    }

    fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    fn address_of(&self, at: usize) -> &str {
        match at {
            0 => &self.settings.address,
            other => &self.settings.other_addresses[other - 1],
        }
    }

    fn resting(&self, action: &str, wait: Duration, why: &str) -> Error {
        let text = format!("{}: {why}; it is left alone for {wait:.1?}", self.address());
        Error::new(Kind::Unavailable, action, text).resting(wait)
    }
}
