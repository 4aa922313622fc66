//! What the user is told about an image that is being pulled: when it begins, now and then how far it is, when it is done.
//!
//! A task keeps only its last ten events, so that the middle ones are few. What is waited for is told too: silence for
//! minutes is what users take for a fault.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::parts::Parts;
use crate::{
    container::{Arrival, Error, Image, ImageRef, PullProgress},
    domain::{TaskEvent, TaskMeta},
};

/// Tells one task's user about one pull.
pub(super) struct Teller {
    parts: Arc<Parts>,
    meta: TaskMeta,
    image: String,
    begun: Instant,
    /// Bytes and time of the last word.
    last: (u64, Instant),
}

impl Teller {
    pub(super) fn new(parts: &Arc<Parts>, meta: &TaskMeta, image: &ImageRef) -> Self {
        let now = Instant::now();
        Self { parts: Arc::clone(parts), meta: meta.clone(), image: image.to_string(), begun: now, last: (0, now) }
    }

    /// Runs `pull`, whose progress comes through `progress`, and tells about it. An image that is there is not worth a word.
    pub(super) async fn accompany(
        mut self,
        pull: impl Future<Output = Result<Image, Error>>,
        mut progress: watch::Receiver<Option<PullProgress>>,
    ) -> Result<Image, Error> {
        let mut pull = std::pin::pin!(pull);
        let mut ticks = tokio::time::interval(self.parts.settings.images.pull.progress_interval);
        ticks.reset();
        let mut begun = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut pull => {
                    // A failure is the start's, which is told by whoever asked for it.
                    if let Ok(image) = &outcome {
                        self.done(image);
                    }
                    return outcome;
                }
                Ok(()) = progress.changed(), if !begun => {
                    begun = true;
                    ticks.reset();
                    self.start(progress.borrow_and_update().as_ref());
                }
                _ = ticks.tick(), if begun => {
                    let now = progress.borrow().clone();
                    self.middle(&now.unwrap_or_default());
                }
            }
        }
    }

    fn start(&mut self, progress: Option<&PullProgress>) {
        (self.begun, self.last) = (Instant::now(), (0, Instant::now()));
        let waits = progress.is_some_and(|progress| progress.queued);
        let tail = if waits { ": waiting for other pulls" } else { "" };
        self.tell(format!("Downloading image {}{tail}", self.image), &[]);
    }

    fn middle(&mut self, progress: &PullProgress) {
        let speed = speed(progress.bytes.saturating_sub(self.last.0), self.last.1.elapsed());
        self.last = (progress.bytes, Instant::now());
        let seconds = self.begun.elapsed().as_secs();
        let message = match (progress.queued, percent(progress)) {
            (true, _) => format!("Image {}: waiting for other pulls since {seconds} s", self.image),
            (false, Some(percent)) => {
                format!("Image {}: {percent} % of {}, {speed}", self.image, bytes(progress.bytes_total))
            }
            (false, None) => format!("Image {}: waiting for its registry since {seconds} s", self.image),
        };
        let layers = format!("{}/{}", progress.layers_done, progress.layers);
        self.tell(message, &[("bytes", progress.bytes.to_string()), ("layers", layers)]);
    }

    fn done(&self, image: &Image) {
        let took = self.begun.elapsed();
        let (verb, size) = match image.arrival {
            Arrival::Present => return,
            Arrival::Loaded => ("loaded", bytes(image.size)),
            Arrival::Pulled => ("downloaded", bytes(image.size)),
        };
        let message = format!("Image {} {verb}: {size} in {:.1} s", self.image, took.as_secs_f64());
        let duration = format!("{:.3}", took.as_secs_f64());
        self.tell(message, &[("image_id", image.id.clone()), ("size", image.size.to_string()), ("seconds", duration)]);
    }

    fn tell(&self, message: String, details: &[(&str, String)]) {
        let event = TaskEvent::new(&self.meta, message).with("image", self.image.clone());
        self.parts.tell(details.iter().fold(event, |event, (key, value)| event.with(key, value.clone())));
    }
}

/// Returns how much of what is known to come has come; `None` while nothing is known.
fn percent(progress: &PullProgress) -> Option<u64> {
    (progress.bytes_total > 0).then(|| (progress.bytes.saturating_mul(100) / progress.bytes_total).min(100))
}

fn speed(moved: u64, time: Duration) -> String {
    let per_second = moved as f64 / time.as_secs_f64().max(0.001);
    format!("{}/s", bytes(per_second as u64))
}

/// Writes a number of bytes for people.
fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, size)| count >= *size);
    unit.map_or_else(|| format!("{count} B"), |(name, size)| format!("{:.1} {name}", count as f64 / *size as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!((bytes(17), bytes(1 << 20), bytes(3 << 29)), ("17 B".into(), "1.0 MiB".into(), "1.5 GiB".into()));
        assert_eq!(speed(10 << 20, Duration::from_secs(5)), "2.0 MiB/s");
        let half = PullProgress { bytes: 50, bytes_total: 100, ..PullProgress::default() };
        assert_eq!((percent(&half), percent(&PullProgress::default())), (Some(50), None));
    }
}
