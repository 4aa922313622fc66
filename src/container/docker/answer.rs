//! An engine's answer on a connection that the client library does not make: its first lines, and what comes behind them.

use std::io;

use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::container::Error;

use super::client::answered;

/// Longest answer that is read before the streams begin.
const ANSWER: u64 = 64 << 10;

/// What the first lines say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status.
    pub status: u16,
    /// How long the body is, as far as it is said.
    length: Option<u64>,
    /// Whether the body comes in chunks.
    pub chunked: bool,
}

impl Answer {
    /// Reads the lines in front of the body.
    pub(super) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "its answer is not of a known shape");
        let mut lines = reader.take(ANSWER);
        let (mut answer, mut line) = (Self::default(), String::new());
        loop {
            line.clear();
            if lines.read_line(&mut line).await? == 0 {
                return Err(malformed());
            }
            let text = line.trim_end();
            match text.split_once(':') {
                _ if answer.status == 0 => {
                    answer.status =
                        text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
                }
                _ if text.is_empty() => return Ok(answer),
                Some((name, value)) => answer.note(name, value.trim()).ok_or_else(malformed)?,
                None => {}
            }
        }
    }

    fn note(&mut self, name: &str, value: &str) -> Option<()> {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = Some(value.parse().ok()?);
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            self.chunked = value.to_ascii_lowercase().contains("chunked");
        }
        Some(())
    }

    /// Reads the sentence of a refusal.
    pub(super) async fn refusal(self, reader: impl AsyncBufRead + Unpin, doing: &str) -> Error {
        let mut text = String::new();
        // A sentence that breaks off is still the best there is.
        reader.take(self.length.unwrap_or(ANSWER).min(ANSWER)).read_to_string(&mut text).await.ok();
        // In chunks it has lengths around it.
        let json = text.find('{').zip(text.rfind('}')).map(|(from, to)| &text[from..=to.max(from)]);
        let message = serde_json::from_str::<serde_json::Value>(json.unwrap_or(&text)).ok();
        let message = message.as_ref().and_then(|answer| answer["message"].as_str()).unwrap_or(&text);
        answered(doing.to_owned(), self.status, message)
    }
}

/// What comes behind the first lines, piece by piece.
pub(super) trait Source: Send + Sized + 'static {
    /// A piece.
    type Piece: Send;

    /// Returns the next one; nothing at the end.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Self::Piece>>> + Send;

    /// Hands the pieces over as they come, up to the end or the first error. `doing` is for its message.
    fn stream(self, doing: String) -> BoxStream<'static, Result<Self::Piece, Error>> {
        let pieces = stream::unfold(Some(self), move |pieces| {
            let doing = doing.clone();
            async move {
                let mut pieces = pieces?;
                match pieces.next().await {
                    Ok(Some(piece)) => Some((Ok(piece), Some(pieces))),
                    Ok(None) => None,
                    Err(error) => Some((Err(unavailable(&doing, &error)), None)),
                }
            }
        });
        pieces.boxed()
    }
}

/// Returns the error of a connection that broke.
pub(super) fn unavailable(doing: &str, error: &io::Error) -> Error {
    Error::EngineUnavailable { doing: doing.to_owned(), why: error.to_string() }
}
