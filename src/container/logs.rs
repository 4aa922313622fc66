//! Pieces of output and the cursor that remembers which were delivered.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

/// One piece of output: a line, or a part of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// Which stream it came from.
    pub stream: OutputStream,
    /// When the engine took it, in nanoseconds since 1970; parts of one line have one time.
    pub at_ns: i64,
    /// The bytes as the process wrote them.
    pub bytes: Bytes,
}

/// How far both streams were delivered. Small, without content, made to be kept in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCursor {
    /// Standard output.
    pub stdout: StreamCursor,
    /// Standard error.
    pub stderr: StreamCursor,
}

/// How far one stream was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCursor {
    /// Time of the last piece, in nanoseconds since 1970.
    pub at_ns: i64,
    /// How many pieces of exactly that time were delivered.
    pub pieces: u32,
}

/// How far the engine's times of the two streams may be out of order; generous, since a replay costs only reading.
const MARGIN_SECONDS: i64 = 10;

impl LogCursor {
    /// Returns the whole second from which the engine must be asked to miss nothing.
    ///
    /// The engine stamps the two streams independently and writes them into one file, so a piece behind the last
    /// delivered one may bear an older time: hence the margin.
    pub fn since_second(&self) -> i64 {
        (self.stdout.at_ns.max(self.stderr.at_ns) / 1_000_000_000 - MARGIN_SECONDS).max(0)
    }

    /// Returns the part for one stream.
    pub fn of(&mut self, stream: OutputStream) -> &mut StreamCursor {
        match stream {
            OutputStream::Stderr => &mut self.stderr,
            OutputStream::Stdout => &mut self.stdout,
        }
    }
}

impl StreamCursor {
    /// Notes that a piece of that time was delivered.
    pub fn advance(&mut self, at_ns: i64) {
        if at_ns == self.at_ns {
            self.pieces += 1;
        } else {
            *self = Self { at_ns, pieces: 1 };
        }
    }
}

/// Drops what was delivered before from a stream that the engine begins again at a whole second.
#[derive(Debug)]
pub struct Replay {
    stdout: StreamReplay,
    stderr: StreamReplay,
}

#[derive(Debug)]
struct StreamReplay {
    until: StreamCursor,
    met: u32,
}

impl Replay {
    /// Begins anew behind `cursor`.
    pub fn new(cursor: &LogCursor) -> Self {
        let part = |until| StreamReplay { until, met: 0 };
        Self { stdout: part(cursor.stdout), stderr: part(cursor.stderr) }
    }

    /// Says whether the piece is new.
    pub fn admit(&mut self, chunk: &LogChunk) -> bool {
        match chunk.stream {
            OutputStream::Stderr => self.stderr.admit(chunk.at_ns),
            OutputStream::Stdout => self.stdout.admit(chunk.at_ns),
        }
    }
}

impl StreamReplay {
    fn admit(&mut self, at_ns: i64) -> bool {
        if at_ns != self.until.at_ns {
            return at_ns > self.until.at_ns;
        }
        self.met += 1;
        self.met > self.until.pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(stream: OutputStream, at_ns: i64) -> LogChunk {
        LogChunk { stream, at_ns, bytes: Bytes::from_static(b"x\n") }
    }

    #[test]
    fn pieces_of_one_nanosecond_are_counted() {
        let mut cursor = LogCursor::default();
        for at in [5, 7, 7] {
            cursor.of(OutputStream::Stdout).advance(at);
        }
        let mut replay = Replay::new(&cursor);
        let seen: Vec<bool> =
            [5, 7, 7, 7, 8].iter().map(|at| replay.admit(&chunk(OutputStream::Stdout, *at))).collect();
        assert_eq!(seen, [false, false, false, true, true]);
    }

    #[test]
    fn the_streams_do_not_hide_each_other() {
        let mut cursor = LogCursor::default();
        cursor.of(OutputStream::Stdout).advance(23_500_000_000);
        assert_eq!(cursor.since_second(), 13);
        assert!(Replay::new(&cursor).admit(&chunk(OutputStream::Stderr, 1)));
    }
}
