//! Takes the transfer coding off an HTTP body.

use std::io;

use bytes::{Buf, BytesMut};

/// Longest line that says how long the next chunk is.
const LINE_MAX: usize = 256;

/// A body as it comes in.
#[derive(Debug)]
pub(super) enum Body {
    /// In chunks, the last of which is empty.
    Chunked(State),
    /// As it is, until the connection ends.
    Plain,
}

/// Where in the coding the reader stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// Before a chunk's length.
    Length,
    /// So many bytes of a chunk are to come.
    Inside(usize),
    /// Behind a chunk, before its line's end.
    Behind,
    /// The last chunk has come.
    Over,
}

impl Body {
    /// Moves what is readable from `raw` to `body`.
    pub(super) fn decode(&mut self, raw: &mut BytesMut, body: &mut BytesMut) -> io::Result<()> {
        match self {
            Self::Plain => body.unsplit(raw.split()),
            Self::Chunked(state) => {
                while let Some(next) = step(*state, raw, body)? {
                    *state = next;
                }
            }
        }
        Ok(())
    }

    /// Says whether the body may end here.
    pub(super) fn may_end(&self) -> bool {
        matches!(self, Self::Plain | Self::Chunked(State::Over))
    }
}

/// Goes one step on; `None` when more bytes are needed.
fn step(state: State, raw: &mut BytesMut, body: &mut BytesMut) -> io::Result<Option<State>> {
    Ok(match state {
        State::Over => None,
        State::Length => match line(raw)? {
            Some(line) => Some(match length(&line)? {
                0 => State::Over,
                length => State::Inside(length),
            }),
            None => None,
        },
        State::Inside(0) => Some(State::Behind),
        State::Inside(_) if raw.is_empty() => None,
        State::Inside(left) => {
            let part = raw.len().min(left);
            body.extend_from_slice(&raw[..part]);
            raw.advance(part);
            Some(State::Inside(left - part))
        }
        State::Behind => line(raw)?.map(|_| State::Length),
    })
}

fn line(raw: &mut BytesMut) -> io::Result<Option<BytesMut>> {
    match raw.iter().take(LINE_MAX).position(|byte| *byte == b'\n') {
        Some(end) => Ok(Some(raw.split_to(end + 1))),
        None if raw.len() >= LINE_MAX => Err(malformed()),
        None => Ok(None),
    }
}

fn length(line: &[u8]) -> io::Result<usize> {
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    usize::from_str_radix(digits, 16).map_err(|_| malformed())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "its answer is not chunked as it says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_wherever_the_bytes_are_cut() {
        let coded = b"3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n";
        for cut in 0..=coded.len() {
            let mut decoder = Body::Chunked(State::Length);
            let mut body = BytesMut::new();
            let mut raw = BytesMut::new();
            for part in [&coded[..cut], &coded[cut..]] {
                raw.extend_from_slice(part);
                decoder.decode(&mut raw, &mut body).expect("well formed");
            }
            assert_eq!(body.as_ref(), b"abc0123456789abcdef", "cut at {cut}");
            assert!(decoder.may_end());
        }
    }

    #[test]
    fn a_body_that_breaks_off_may_not_end() {
        let mut decoder = Body::Chunked(State::Length);
        decoder.decode(&mut BytesMut::from(&b"3\r\nab"[..]), &mut BytesMut::new()).expect("so far");
        assert!(!decoder.may_end());
        assert!(decoder.decode(&mut BytesMut::from(&b"c\r\nxyz\r\n"[..]), &mut BytesMut::new()).is_err());
    }
}
