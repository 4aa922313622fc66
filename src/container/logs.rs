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

/// How much of a container's output is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// From about the cursor on, and what is yet to come.
    Follow,
    /// From about the cursor on, as far as it is there.
    Rest,
    /// The last so many pieces, whatever the cursor says.
    Tail(u32),
}

/// How far both streams were delivered. Small, without content, made to be kept for the next process.
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
    /// Time of the last whole piece, in nanoseconds since 1970.
    pub at_ns: i64,
    /// How many pieces of exactly that time were delivered.
    pub pieces: u32,
    /// The piece behind it, when it was taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextPiece>,
}

/// A piece that was taken up and is not wholly delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPiece {
    /// Its time.
    pub at_ns: i64,
    /// How many of its bytes were delivered.
    pub bytes: u64,
}

/// How far the engine's times of the two streams may be out of order: a stamp is taken just before the one lock around the
/// file. Generous, since a replay costs only reading, but a flood writes many megabytes in a second.
const MARGIN_NS: i64 = 1_000_000_000;

impl LogCursor {
    /// Returns the time from which the engine must be asked to miss nothing.
    ///
    /// The engine stamps the two streams independently and writes them into one file, so a piece behind the last
    /// delivered one may bear an older time: hence the margin. What was taken up of one stream and waits for its reader
    /// must come again too, however far the other stream is.
    pub fn since_ns(&self) -> i64 {
        let newest = self.stdout.at_ns.max(self.stderr.at_ns);
        let waiting = [self.stdout.next, self.stderr.next].into_iter().flatten().map(|next| next.at_ns);
        let first = waiting.fold(newest, i64::min);
        (first - MARGIN_NS).max(0)
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
            (self.at_ns, self.pieces) = (at_ns, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_its_reader_is_asked_for_again() {
        let mut cursor = LogCursor::default();
        cursor.stdout.advance(23_500_000_000);
        assert_eq!(cursor.since_ns(), 22_500_000_000);
        cursor.stderr.next = Some(NextPiece { at_ns: 5_000_000_000, bytes: 0 });
        assert_eq!(cursor.since_ns(), 4_000_000_000);
    }

    #[test]
    fn a_cursor_of_an_earlier_release_is_read() {
        let text = r#"{"stdout":{"at_ns":7,"pieces":2},"stderr":{"at_ns":0,"pieces":0}}"#;
        let cursor: LogCursor = serde_json::from_str(text).expect("readable");
        assert_eq!((cursor.stdout.at_ns, cursor.stdout.pieces, cursor.stdout.next), (7, 2, None));
    }
}
