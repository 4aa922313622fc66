//! A container's output as the engine keeps it.

use bollard::{container::LogOutput, query_parameters::LogsOptions};
use bytes::Bytes;
use futures_util::{StreamExt, future};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::container::{ContainerId, Docker, Error, LogChunk, LogCursor, LogStream, OutputStream};

use super::client::sorted;

impl Docker {
    pub(super) async fn follow(&self, id: &ContainerId, from: &LogCursor) -> Result<LogStream, Error> {
        let doing = format!("read the output of container {id}");
        let options = LogsOptions {
            follow: true,
            stdout: true,
            stderr: true,
            timestamps: true,
            since: i32::try_from(from.since_second()).unwrap_or(i32::MAX),
            ..LogsOptions::default()
        };
        let api = self.api().await?;
        let name = id.to_string();
        let pieces = api.logs(id.as_str(), Some(options));
        let chunks = pieces.filter_map(move |piece| {
            let chunk = match piece {
                Ok(output) => chunk(output).map(Ok),
                Err(failure) => Some(Err(failed(&doing, &name, failure))),
            };
            future::ready(chunk)
        });
        Ok(chunks.boxed())
    }
}

fn failed(doing: &str, id: &str, failure: bollard::errors::Error) -> Error {
    match super::client::is_missing(&failure) {
        true => Error::NotFound(id.to_owned()),
        false => sorted(doing, failure),
    }
}

/// Takes the time off the front of a piece; one without a time is no output of a process.
fn chunk(output: LogOutput) -> Option<LogChunk> {
    let (stream, message) = match output {
        LogOutput::StdErr { message } => (OutputStream::Stderr, message),
        LogOutput::StdOut { message } | LogOutput::Console { message } => (OutputStream::Stdout, message),
        LogOutput::StdIn { .. } => return None,
    };
    let (at_ns, bytes) = split(message)?;
    Some(LogChunk { stream, at_ns, bytes })
}

fn split(mut message: Bytes) -> Option<(i64, Bytes)> {
    let space = message.iter().take(40).position(|byte| *byte == b' ')?;
    let time = std::str::from_utf8(&message[..space]).ok()?;
    let at = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    let bytes = message.split_off(space + 1);
    Some((i64::try_from(at.unix_timestamp_nanos()).ok()?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_taken_off_and_the_rest_left_as_it_was() {
        let (at, bytes) = split(Bytes::from_static(b"2026-11-24T08:32:41.678946787Z a b\n")).expect("well formed");
        assert_eq!((at % 1_000_000_000, bytes.as_ref()), (678_946_787, b"a b\n".as_slice()));
        assert_eq!(split(Bytes::from_static(b"2026-11-24T08:32:41Z \n")).expect("empty line").1.as_ref(), b"\n");
        assert!(split(Bytes::from_static(b"no time")).is_none());
    }
}
