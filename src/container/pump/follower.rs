//! Reads the engine's stream, again and again, and hands what is new to the writers.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::container::{
    ContainerId, Engine, Error, Extent, LogChunk, LogCursor, LogStream, NextPiece, OutputStream, Replay,
};

use super::{Item, Status, Wanted, gaps::Gaps, turns::Turns};

/// First and longest pause between two looks at a container that has no output stream.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How many pieces are asked for at the end, until the last one that was read is among them.
const TAILS: [u32; 3] = [1 << 12, 1 << 15, 1 << 17];

pub(super) struct Follower {
    engine: Arc<dyn Engine>,
    id: ContainerId,
    /// What was handed over; the delivered part is in the status.
    cursor: LogCursor,
    replay: Replay,
    gaps: Gaps,
    /// Where the engine's files can be seen.
    turns: Option<Turns>,
    extent: Extent,
    stdout: mpsc::Sender<Item>,
    stderr: mpsc::Sender<Item>,
    wishes: watch::Receiver<Wanted>,
    status: Arc<watch::Sender<Status>>,
}

/// How one reading ended.
enum Pass {
    /// The engine cut it, or cannot be reached.
    Broken,
    /// The stream ended by itself.
    Done,
    /// There is no such container any more.
    Gone,
    /// It seems that something was left out.
    Skipped,
}

impl Follower {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        id: ContainerId,
        cursor: LogCursor,
        [stdout, stderr]: [mpsc::Sender<Item>; 2],
        wishes: watch::Receiver<Wanted>,
        status: Arc<watch::Sender<Status>>,
    ) -> Self {
        let (replay, gaps) = (Replay::new(&cursor), Gaps::default());
        Self { engine, id, cursor, replay, gaps, turns: None, extent: Extent::Follow, stdout, stderr, wishes, status }
    }

    pub(super) async fn run(mut self) {
        let mut pause = PAUSE.0;
        loop {
            // Read before the reading begins: only one that began after the end is sure to have seen all.
            let ended = self.wishes.borrow_and_update().drain;
            let before = self.cursor;
            let pass = if ended { self.last_pass().await } else { self.pass(Extent::Follow).await };
            match pass {
                Pass::Gone => break,
                Pass::Done if ended => break,
                Pass::Skipped => continue,
                Pass::Done | Pass::Broken => {}
            }
            if self.cursor != before {
                pause = PAUSE.0;
            }
            pause = self.rest(pause).await;
        }
        self.flush().await;
        self.status.send_modify(|status| status.drained = true);
        // The queues stay open, and with them the pipes, until the pump is dropped.
        std::future::pending::<()>().await;
    }

    async fn pass(&mut self, extent: Extent) -> Pass {
        match self.open(extent).await {
            Ok(batches) => self.carry(batches).await,
            Err(error) => after(&error),
        }
    }

    async fn carry(&mut self, mut batches: LogStream) -> Pass {
        while let Some(batch) = batches.next().await {
            match batch {
                Ok(batch) => {
                    self.replay.look_at_the_clock();
                    if !self.hand_over(batch).await {
                        return Pass::Skipped;
                    }
                }
                Err(error) => return after(&error),
            }
        }
        Pass::Done
    }

    async fn open(&mut self, extent: Extent) -> Result<LogStream, Error> {
        self.replay.again();
        self.extent = extent;
        let batches = self.engine.logs(&self.id, &self.cursor, extent).await?;
        // Only now: a container whose output cannot be read is tried again and again, and has no file either.
        if extent == Extent::Follow && self.turns.is_none() {
            self.turns = self.engine.log_file(&self.id).await.map(|path| Turns::of(path, SystemTime::now()));
        }
        Ok(batches)
    }

    /// Reads what an ended container has left, which most often is little. Without the last pieces the engine would go
    /// through all its files for it.
    async fn last_pass(&mut self) -> Pass {
        let tails = if self.cursor == LogCursor::default() { &[][..] } else { &TAILS[..] };
        for pieces in tails {
            match self.tail(*pieces).await {
                Ok(Some(pass)) => return pass,
                Ok(None) => {}
                Err(error) => return after(&error),
            }
        }
        self.pass(Extent::Rest).await
    }

    /// Reads the last so many pieces; `None` when they do not reach back to what was read before.
    async fn tail(&mut self, pieces: u32) -> Result<Option<Pass>, Error> {
        let mut batches = self.open(Extent::Tail(pieces)).await?;
        let Some(first) = batches.next().await.transpose()? else { return Ok(Some(Pass::Done)) };
        if !self.replay.knows(&first[0]) {
            return Ok(None);
        }
        let all = stream::once(std::future::ready(Ok(first))).chain(batches);
        Ok(Some(self.carry(all.boxed()).await))
    }

    /// Hands over what is new of a batch. Returns `false` when something seems to be left out before the rest of it.
    async fn hand_over(&mut self, batch: Vec<LogChunk>) -> bool {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut whole = true;
        let (now, wall) = (Instant::now(), SystemTime::now());
        let turned = self.turns.as_mut().map(|turns| turns.last(wall));
        for piece in batch {
            if self.replay.knows(&piece) {
                self.replay.admit(piece);
                continue;
            }
            // Only a follower is taken from file to file.
            if self.extent == Extent::Follow && self.gaps.is_before(piece.at_ns, now, wall, turned) {
                whole = false;
                break;
            }
            let Some(piece) = self.replay.admit(piece) else { continue };
            match piece.stream {
                OutputStream::Stderr => stderr.push(piece),
                OutputStream::Stdout => stdout.push(piece),
            }
        }
        self.send(OutputStream::Stdout, stdout).await;
        self.send(OutputStream::Stderr, stderr).await;
        whole
    }

    async fn send(&mut self, stream: OutputStream, pieces: Vec<LogChunk>) {
        let Some(first) = pieces.first().map(|piece| piece.at_ns) else { return };
        pieces.iter().for_each(|piece| self.cursor.of(stream).advance(piece.at_ns));
        // The next process must ask for them, however far the other stream gets meanwhile.
        self.status.send_if_modified(|status| {
            status.cursor.of(stream).next.get_or_insert(NextPiece { at_ns: first, bytes: 0 });
            false
        });
        let queue = if stream == OutputStream::Stdout { &self.stdout } else { &self.stderr };
        // A writer only ends together with this task.
        let _ = queue.send(Item::Batch(pieces)).await;
    }

    /// Waits a while, or until the owner says something. Returns the next pause.
    async fn rest(&mut self, pause: Duration) -> Duration {
        tokio::select! {
            () = tokio::time::sleep(pause) => (pause * 2).min(PAUSE.1),
            heard = self.wishes.changed() => if heard.is_ok() { PAUSE.0 } else { PAUSE.1 },
        }
    }

    async fn flush(&self) {
        for queue in [&self.stdout, &self.stderr] {
            let (done, wait) = oneshot::channel();
            if queue.send(Item::Flush(done)).await.is_ok() {
                let _ = wait.await;
            }
        }
    }
}

fn after(error: &Error) -> Pass {
    match error {
        Error::NotFound(_) => Pass::Gone,
        _ => Pass::Broken,
    }
}
