//! Lets output gather for a moment while it flows.
//!
//! An engine sends each line by itself, and a reader that is woken for each does little with every waking. What comes after
//! a wait is passed on at once; behind what comes with hardly a wait the next look is put off by a moment, so that it
//! finds many lines. What was there to be read at a stroke already, the rest of a container that has ended, and an owner that
//! waits for the end are never put off.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::{sync::watch, time::Instant};

use crate::container::{Error, LogChunk, LogStream};

use super::Wanted;

/// How long output gathers; the runtime's timers know nothing shorter.
const GATHER: Duration = Duration::from_millis(1);
/// Output that comes within this time flows.
const FLOW: Duration = Duration::from_millis(2);
/// What an engine sends with each piece: chunk, frame and time.
const FRAME: usize = 45;
/// A batch of this size is half of what is read at a stroke: waiting would bring little, and the engine may be held up.
const FULL: usize = 32 << 10;

/// An engine's stream that is read with pauses.
pub(super) struct Paced {
    batches: LogStream,
    wishes: watch::Receiver<Wanted>,
    /// The last batch was one of a flow.
    flows: bool,
}

impl Paced {
    pub(super) fn new(batches: LogStream, wishes: watch::Receiver<Wanted>) -> Self {
        Self { batches, wishes, flows: false }
    }

    /// Hands over all batches, up to the end.
    pub(super) fn stream(self) -> LogStream {
        stream::unfold(self, async |mut paced: Self| Some((paced.next().await?, paced))).boxed()
    }

    /// Returns what has come in, waiting for it if need be; nothing at the end.
    async fn next(&mut self) -> Option<Result<Vec<LogChunk>, Error>> {
        if self.flows {
            self.gather().await;
        }
        let asked = Instant::now();
        let batch = self.batches.next().await;
        let small = batch.as_ref().is_some_and(|batch| batch.as_ref().is_ok_and(|pieces| size(pieces) < FULL));
        self.flows = small && asked.elapsed() < FLOW;
        batch
    }

    /// Waits a moment, or until the owner wants the rest.
    async fn gather(&mut self) {
        tokio::select! {
            biased;
            // An owner that is gone ends this task as well.
            Ok(()) = async { self.wishes.wait_for(|wanted| wanted.drain).await.map(drop) } => {}
            () = tokio::time::sleep(GATHER) => {}
        }
    }
}

fn size(pieces: &[LogChunk]) -> usize {
    pieces.iter().map(|piece| piece.bytes.len() + FRAME).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::*;
    use crate::container::OutputStream;

    /// An engine's end of the connection, which holds what was sent until it is read at a stroke.
    struct Source {
        lines: mpsc::UnboundedSender<LogChunk>,
        wishes: watch::Sender<Wanted>,
    }

    fn connection() -> (Source, Paced) {
        let (lines, received) = mpsc::unbounded_channel();
        let (wishes, heard) = watch::channel(Wanted::default());
        let batches = stream::unfold(received, |mut received| async {
            let mut batch = Vec::new();
            (received.recv_many(&mut batch, 1000).await > 0).then_some((Ok(batch), received))
        });
        (Source { lines, wishes }, Paced::new(batches.boxed(), heard))
    }

    impl Source {
        fn send(&self, length: usize) {
            let bytes = Bytes::from(vec![b'x'; length]);
            self.lines.send(LogChunk { stream: OutputStream::Stdout, at_ns: 1, bytes }).expect("it is read");
        }
    }

    async fn count(paced: &mut Paced) -> usize {
        paced.next().await.map_or(0, |batch| batch.expect("readable").len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_line_is_not_put_off() {
        let (source, mut paced) = connection();
        for _ in 0..3 {
            let reader = async {
                let lines = count(&mut paced).await;
                (lines, Instant::now())
            };
            let writer = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                source.send(10);
                Instant::now()
            };
            let ((lines, read), written) = tokio::join!(reader, writer);
            assert_eq!((lines, read), (1, written));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_gathered() {
        let (source, mut paced) = connection();
        let writer = tokio::spawn(async move {
            for _ in 0..200 {
                // As much as an engine sends between two looks of a busy reader.
                for _ in 0..10 {
                    source.send(100);
                    tokio::task::yield_now().await;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let (mut batches, mut lines) = (0, 0);
        loop {
            match count(&mut paced).await {
                0 => break,
                more => (batches, lines) = (batches + 1, lines + more),
            }
        }
        writer.await.expect("written");
        assert_eq!(lines, 2000);
        assert!(batches <= 2 * 200, "{batches} batches");
    }

    #[tokio::test(start_paused = true)]
    async fn what_fills_a_stroke_is_read_on_without_a_pause() {
        let (source, mut paced) = connection();
        let begin = Instant::now();
        for _ in 0..100 {
            source.send(FULL);
            assert_eq!(count(&mut paced).await, 1);
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_that_waits_for_the_end_is_not_held_up() {
        let (source, mut paced) = connection();
        source.send(10);
        assert_eq!(count(&mut paced).await, 1);
        let (begin, wishes) = (Instant::now(), source.wishes.clone());
        let asking = async {
            // The reader is within its pause by now.
            source.send(10);
            wishes.send_modify(|wanted| wanted.drain = true);
        };
        let (lines, ()) = tokio::join!(count(&mut paced), asking);
        assert_eq!(lines, 1);
        for _ in 0..100 {
            source.send(10);
            assert_eq!(count(&mut paced).await, 1);
        }
        drop(source);
        assert_eq!((count(&mut paced).await, begin.elapsed()), (0, Duration::ZERO));
    }
}
