//! One pull for all who want the same image, platform and credential; so many pulls side by side and no more.
//!
//! A pull lives as long as somebody waits for it: each caller has a limit of his own, and when the last has left, the
//! engine is let go, which ends the download.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{auth::DockerCredentials, query_parameters::CreateImageOptions};
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use crate::container::{Credential, Docker, Error, ImageRef, ImageWish, Login, Platform, Progress, PullProgress};

use super::{
    failure::{classified, pull_failure, unavailable},
    layers::Layers,
};

/// The pulls that are going on.
pub(in crate::container::docker) struct Pulls {
    flights: Arc<Mutex<HashMap<Key, watch::Sender<Flight>>>>,
    seats: Arc<Semaphore>,
}

/// What makes two pulls the same.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    reference: String,
    platform: Option<Platform>,
    credential: Option<String>,
}

/// How one pull stands.
#[derive(Clone, Default)]
struct Flight {
    /// Nothing until it is known whether there is a seat.
    progress: Option<PullProgress>,
    outcome: Option<Result<(), Error>>,
}

/// Everything that one pull needs.
struct Order {
    api: bollard::Docker,
    wish: ImageWish,
    credential: Option<DockerCredentials>,
}

impl Docker {
    /// Joins the pull that is going on for the same, or begins one.
    pub(super) async fn pull(
        &self,
        wish: &ImageWish,
        credential: Option<&Credential>,
        progress: &Progress,
    ) -> Result<(), Error> {
        let order = Order {
            api: self.api().await?,
            wish: wish.clone(),
            credential: credential.map(|credential| shown(&wish.reference, credential)),
        };
        let mut flight = self.pulls.join(order, credential);
        follow(wish, &mut flight, progress).await
    }
}

/// Passes progress on until the pull has ended or the caller's own time is over.
async fn follow(wish: &ImageWish, flight: &mut watch::Receiver<Flight>, progress: &Progress) -> Result<(), Error> {
    let mut end = None;
    loop {
        let Flight { progress: now, outcome } = flight.borrow_and_update().clone();
        if let Some(outcome) = outcome {
            return outcome;
        }
        if let Some(now) = now {
            if !now.queued {
                end.get_or_insert_with(|| Instant::now() + wish.timeout);
            }
            progress(now);
        }
        let limit = end.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
        match tokio::time::timeout_at(limit, flight.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(unavailable(&wish.reference, "the pull was given up")),
            Err(_) => {
                return Err(unavailable(&wish.reference, &format!("the pull took longer than {:?}", wish.timeout)));
            }
        }
    }
}

impl Pulls {
    /// Lets so many pulls go on side by side.
    pub(in crate::container::docker) fn new(max_parallel: usize) -> Self {
        Self { flights: Arc::default(), seats: Arc::new(Semaphore::new(max_parallel.max(1))) }
    }

    fn join(&self, order: Order, credential: Option<&Credential>) -> watch::Receiver<Flight> {
        let key = Key {
            reference: order.wish.reference.to_string(),
            platform: order.wish.platform.clone(),
            credential: credential.map(Credential::fingerprint),
        };
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            return flight.subscribe();
        }
        let (flight, follower) = watch::channel(Flight::default());
        flights.insert(key.clone(), flight.clone());
        drop(flights);
        let (all, seats) = (Arc::clone(&self.flights), Arc::clone(&self.seats));
        tokio::spawn(async move {
            let entry = Entry { key, all };
            let outcome = tokio::select! {
                outcome = seated(&order, &seats, &flight) => Some(outcome),
                () = entry.deserted(&flight) => None,
            };
            drop(entry);
            if let Some(outcome) = outcome {
                flight.send_modify(|flight| flight.outcome = Some(outcome));
            }
        });
        follower
    }
}

/// A pull's place in the list, given up when it ends in whatever way.
struct Entry {
    key: Key,
    all: Arc<Mutex<HashMap<Key, watch::Sender<Flight>>>>,
}

impl Entry {
    /// Returns when nobody waits any more, having made sure that nobody can join.
    async fn deserted(&self, flight: &watch::Sender<Flight>) {
        loop {
            flight.closed().await;
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            if flight.receiver_count() == 0 {
                all.remove(&self.key);
                return;
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Waits for a seat, then pulls.
async fn seated(order: &Order, seats: &Semaphore, flight: &watch::Sender<Flight>) -> Result<(), Error> {
    let tell = |queued| {
        let now = PullProgress { queued, ..PullProgress::default() };
        flight.send_modify(|flight| flight.progress = Some(now));
    };
    let seat = match seats.try_acquire() {
        Ok(seat) => Ok(seat),
        Err(_) => {
            tell(true);
            seats.acquire().await
        }
    };
    let _seat = seat.map_err(|_| unavailable(&order.wish.reference, "the pull was given up"))?;
    tell(false);
    run(order, flight).await
}

async fn run(order: &Order, flight: &watch::Sender<Flight>) -> Result<(), Error> {
    let Order { api, wish, credential } = order;
    let reference = &wish.reference;
    let mut lines = std::pin::pin!(api.create_image(Some(wanted(wish)), None, credential.clone()));
    let mut layers = Layers::default();
    loop {
        match tokio::time::timeout(wish.activity_timeout, lines.next()).await {
            Err(_) => {
                return Err(unavailable(reference, &format!("the pull stalled for {:?}", wish.activity_timeout)));
            }
            Ok(None) => return Ok(()),
            Ok(Some(Err(failure))) => return Err(pull_failure(reference, failure)),
            Ok(Some(Ok(line))) => {
                if let Some(text) = line.error_detail.as_ref().and_then(|detail| detail.message.clone()) {
                    return Err(classified(reference, &text));
                }
                layers.note(line);
                flight.send_modify(|flight| flight.progress = Some(layers.sum()));
            }
        }
    }
}

fn wanted(wish: &ImageWish) -> CreateImageOptions {
    let reference = &wish.reference;
    // With a digest the name carries it, and a tag must not be there.
    let (name, tag) = match reference.digest() {
        Some(digest) => (format!("{}@{digest}", reference.name()), None),
        None => (reference.name().to_owned(), reference.tag().map(str::to_owned)),
    };
    let platform = wish.platform.as_ref().map(ToString::to_string).unwrap_or_default();
    CreateImageOptions { from_image: Some(name), tag, platform, ..CreateImageOptions::default() }
}

/// Puts a credential into the engine's form.
fn shown(image: &ImageRef, credential: &Credential) -> DockerCredentials {
    let bare = DockerCredentials { serveraddress: Some(image.registry().to_owned()), ..DockerCredentials::default() };
    match &credential.login {
        Login::IdentityToken(token) => DockerCredentials { identitytoken: Some(token.expose().to_owned()), ..bare },
        Login::Password { username, password } => {
            DockerCredentials { username: Some(username.clone()), password: Some(password.expose().to_owned()), ..bare }
        }
        Login::RegistryToken(token) => DockerCredentials { registrytoken: Some(token.expose().to_owned()), ..bare },
    }
}
