//! Images: is it there, and if not, one pull for everybody who wants it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::{
    errors::Error as Failure,
    models::{CreateImageInfo, ImageInspect},
    query_parameters::CreateImageOptions,
};
use futures_util::StreamExt;
use tokio::sync::watch;

use crate::container::{Docker, Error, Image, ImageRef, Progress, Pull, PullProgress};

use super::client::{SHORT, is_missing, sentence, sorted};

/// A pull that says nothing for so long has stalled.
const IDLE: Duration = Duration::from_secs(120);
/// No pull takes longer.
const TOTAL: Duration = Duration::from_secs(600);

/// The pulls that are going on, by reference.
#[derive(Default)]
pub(super) struct Pulls(Arc<Mutex<HashMap<String, watch::Receiver<Flight>>>>);

/// How one pull stands.
#[derive(Clone, Default)]
struct Flight {
    progress: PullProgress,
    outcome: Option<Result<(), Error>>,
}

impl Docker {
    pub(super) async fn have_image(
        &self,
        reference: &ImageRef,
        policy: Pull,
        progress: &Progress,
    ) -> Result<Image, Error> {
        let found = match policy {
            Pull::Always => None,
            Pull::Missing if reference.is_latest() => None,
            Pull::Missing | Pull::Never => self.find_image(reference).await?,
        };
        match (found, policy) {
            (Some(image), _) => Ok(image),
            (None, Pull::Never) => Err(refused(reference, "it is not on this machine and pulling is off")),
            (None, Pull::Always | Pull::Missing) => self.pull_and_find(reference, progress).await,
        }
    }

    async fn pull_and_find(&self, reference: &ImageRef, progress: &Progress) -> Result<Image, Error> {
        self.pull(reference, progress).await?;
        let found = self.find_image(reference).await?;
        found.ok_or_else(|| unavailable(reference, "it was removed from this machine meanwhile"))
    }

    /// Describes an image that is on the machine. An engine that does not answer is an error and not an absent image.
    async fn find_image(&self, reference: &ImageRef) -> Result<Option<Image>, Error> {
        let doing = format!("inspect image {reference}");
        let api = self.api().await?;
        match tokio::time::timeout(SHORT, api.inspect_image(&reference.to_string())).await {
            Ok(Ok(found)) => Ok(Some(described(reference, found))),
            Ok(Err(failure)) if is_missing(&failure) => Ok(None),
            Ok(Err(failure)) => Err(sorted(&doing, failure)),
            Err(_) => Err(Error::EngineTimeout { doing, after: SHORT }),
        }
    }

    /// Joins the pull that is going on for this reference, or begins one.
    async fn pull(&self, reference: &ImageRef, progress: &Progress) -> Result<(), Error> {
        let api = self.api().await?;
        let mut flight = self.pulls.join(reference, api);
        loop {
            let Flight { progress: now, outcome } = flight.borrow_and_update().clone();
            if now != PullProgress::default() {
                progress(now);
            }
            if let Some(outcome) = outcome {
                return outcome;
            }
            if flight.changed().await.is_err() {
                return Err(unavailable(reference, "the pull was given up"));
            }
        }
    }
}

impl Pulls {
    fn join(&self, reference: &ImageRef, api: bollard::Docker) -> watch::Receiver<Flight> {
        let key = reference.to_string();
        let mut flights = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(flight) = flights.get(&key).filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (sender, receiver) = watch::channel(Flight::default());
        flights.insert(key.clone(), receiver.clone());
        drop(flights);
        let (all, reference) = (self.0.clone(), reference.clone());
        tokio::spawn(async move {
            let outcome = within_limits(&reference, &api, &sender).await;
            if let Ok(mut flights) = all.lock() {
                flights.remove(&key);
            }
            sender.send_modify(|flight| flight.outcome = Some(outcome));
        });
        receiver
    }
}

async fn within_limits(
    reference: &ImageRef,
    api: &bollard::Docker,
    flight: &watch::Sender<Flight>,
) -> Result<(), Error> {
    match tokio::time::timeout(TOTAL, run(reference, api, flight)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(unavailable(reference, &format!("the pull took longer than {TOTAL:?}"))),
    }
}

async fn run(reference: &ImageRef, api: &bollard::Docker, flight: &watch::Sender<Flight>) -> Result<(), Error> {
    let mut lines = std::pin::pin!(api.create_image(Some(wanted(reference)), None, None));
    let mut layers = Layers::default();
    loop {
        match tokio::time::timeout(IDLE, lines.next()).await {
            Err(_) => return Err(unavailable(reference, &format!("the pull stalled for {IDLE:?}"))),
            Ok(None) => return Ok(()),
            Ok(Some(Err(failure))) => return Err(pull_failure(reference, failure)),
            Ok(Some(Ok(line))) => {
                if let Some(text) = line.error_detail.as_ref().and_then(|detail| detail.message.clone()) {
                    return Err(classified(reference, &text));
                }
                layers.note(line);
                flight.send_modify(|flight| flight.progress = layers.sum());
            }
        }
    }
}

fn wanted(reference: &ImageRef) -> CreateImageOptions {
    // With a digest the name carries it, and a tag must not be there.
    let (name, tag) = match reference.digest() {
        Some(digest) => (format!("{}@{digest}", reference.name()), None),
        None => (reference.name().to_owned(), reference.tag().map(str::to_owned)),
    };
    CreateImageOptions { from_image: Some(name), tag, ..CreateImageOptions::default() }
}

/// What is known about each layer.
#[derive(Default)]
struct Layers(HashMap<String, Layer>);

#[derive(Default)]
struct Layer {
    bytes: u64,
    total: u64,
    done: bool,
}

impl Layers {
    fn note(&mut self, line: CreateImageInfo) {
        let (Some(id), Some(status)) = (line.id, line.status) else { return };
        // The first line bears the tag as its id.
        if status.starts_with("Pulling from") {
            return;
        }
        let layer = self.0.entry(id).or_default();
        layer.done |= matches!(status.as_str(), "Already exists" | "Pull complete");
        let detail = line.progress_detail.filter(|_| status == "Downloading");
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        if let Some(detail) = detail {
            layer.bytes = number(detail.current).unwrap_or(layer.bytes);
            layer.total = number(detail.total).unwrap_or(layer.total);
        }
        if status == "Download complete" {
            layer.bytes = layer.total;
        }
    }

    fn sum(&self) -> PullProgress {
        let count = |layers: usize| u32::try_from(layers).unwrap_or(u32::MAX);
        PullProgress {
            layers: count(self.0.len()),
            layers_done: count(self.0.values().filter(|layer| layer.done).count()),
            bytes: self.0.values().map(|layer| layer.bytes).sum(),
            bytes_total: self.0.values().map(|layer| layer.total).sum(),
        }
    }
}

fn pull_failure(reference: &ImageRef, failure: Failure) -> Error {
    match failure {
        Failure::DockerResponseServerError { message, .. } => classified(reference, &message),
        Failure::DockerStreamError { error } => classified(reference, &error),
        other => sorted(&format!("pull image {reference}"), other),
    }
}

/// Sorts by the sentence: the engine passes on a registry's refusal with status 500.
fn classified(reference: &ImageRef, message: &str) -> Error {
    const REFUSALS: [&str; 11] = [
        "access denied",
        "authentication required",
        "denied:",
        "invalid reference",
        "manifest unknown",
        "name unknown",
        "no basic auth credentials",
        "no matching manifest",
        "not found",
        "repository does not exist",
        "unauthorized",
    ];
    let lower = message.to_lowercase();
    if lower.contains("no space left") {
        let doing = format!("pull image {reference}");
        return Error::EngineRefused { doing, why: sentence(message), passing: true };
    }
    if REFUSALS.iter().any(|refusal| lower.contains(refusal)) {
        return refused(reference, message);
    }
    unavailable(reference, message)
}

fn refused(reference: &ImageRef, why: &str) -> Error {
    Error::ImageRefused { image: reference.to_string(), why: sentence(why) }
}

fn unavailable(reference: &ImageRef, why: &str) -> Error {
    Error::ImageUnavailable { image: reference.to_string(), why: sentence(why) }
}

fn described(reference: &ImageRef, found: ImageInspect) -> Image {
    let config = found.config.unwrap_or_default();
    Image {
        id: found.id.unwrap_or_default(),
        reference: reference.to_string(),
        user: config.user.unwrap_or_default(),
        stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn sorted_as(message: &str) -> Error {
        classified(&"localhost:5000/a:1".parse().expect("good"), message)
    }

    #[test]
    fn what_a_registry_refuses_is_not_tried_again() {
        for message in [
            "manifest for localhost:5000/a:1 not found: manifest unknown: manifest unknown",
            "Head \"http://localhost:5000/v2/a/manifests/1\": unauthorized: bad password",
            "Get \"https://x/v2/a\": no basic auth credentials",
            "pull access denied for a, repository does not exist or may require 'docker login'",
        ] {
            assert!(matches!(sorted_as(message), Error::ImageRefused { .. }), "{message}");
        }
    }

    #[test]
    fn trouble_on_the_way_is_tried_again() {
        for message in [
            "Get \"http://localhost:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
            "toomanyrequests: too many requests",
            "received unexpected HTTP status: 503 Service Unavailable",
            "dial tcp: lookup registry.example.com: no such host",
            "write /var/lib/docker/tmp/x: no space left on device",
        ] {
            assert!(sorted_as(message).recoverable(), "{message}");
        }
    }

    #[test]
    fn progress_is_summed_over_layers() {
        let line = |id: &str, status: &str, bytes: i64| CreateImageInfo {
            id: Some(id.into()),
            status: Some(status.into()),
            progress_detail: Some(ProgressDetail { current: Some(bytes), total: Some(100) }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        for (id, status, bytes) in
            [("1", "Pulling from a", 0), ("x", "Downloading", 40), ("y", "Downloading", 9), ("x", "Pull complete", 0)]
        {
            layers.note(line(id, status, bytes));
        }
        assert_eq!(layers.sum(), PullProgress { layers: 2, layers_done: 1, bytes: 49, bytes_total: 200 });
    }
}
