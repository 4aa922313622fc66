//! What stands between a defect in one call and the rest of the process.
//!
//! A panic in a handler would reset the stream, which an agent reads as a task that has exited; here it becomes INTERNAL
//! with a number that is in the log. Calls that change something are run to their end even when the caller goes
//! away, because a start that stops half-way is worse than one that is undone.

use std::{
    any::Any,
    future::Future,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::{FutureExt, Stream, StreamExt, future, stream::BoxStream};
use tonic::Status;
use tracing::Instrument;

static INCIDENTS: AtomicU64 = AtomicU64::new(1);

/// Runs `call` as long as the caller waits for it.
pub async fn attend<T>(rpc: &'static str, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| Err(incident(rpc)))
}

/// Runs `call` to its end whether or not the caller still waits.
pub async fn complete<T: Send + 'static>(
    rpc: &'static str,
    call: impl Future<Output = Result<T, Status>> + Send + 'static,
) -> Result<T, Status> {
    tokio::spawn(call.in_current_span()).await.unwrap_or_else(|_| Err(incident(rpc)))
}

/// Ends a stream that panics with an error instead of a reset.
pub fn attend_stream<T: Send + 'static>(
    rpc: &'static str,
    stream: impl Stream<Item = T> + Send + 'static,
) -> BoxStream<'static, Result<T, Status>> {
    let guarded = AssertUnwindSafe(stream).catch_unwind();
    guarded.map(move |item| item.map_err(|_: Box<dyn Any + Send>| incident(rpc))).scan(false, until_error).boxed()
}

/// Lets items through up to and including the first error.
fn until_error<T>(over: &mut bool, item: Result<T, Status>) -> future::Ready<Option<Result<T, Status>>> {
    if *over {
        return future::ready(None);
    }
    *over = item.is_err();
    future::ready(Some(item))
}

/// Logs that `rpc` met a defect of ours and returns what the agent is told. The panic itself is in the log line before.
pub(super) fn incident(rpc: &'static str) -> Status {
    let number = INCIDENTS.fetch_add(1, Ordering::Relaxed);
    tracing::error!(rpc, incident = number, "A call met a defect of the plugin; see the panic above");
    Status::internal(format!("Internal: {rpc} met a defect of the plugin; see incident {number} in its log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_become_internal_errors() {
        let status = attend::<()>("Test", async { panic!("here") }).await.expect_err("caught");
        assert_eq!(status.code(), tonic::Code::Internal);
        let status = complete::<()>("Test", async { panic!("there") }).await.expect_err("caught");
        assert_eq!(status.code(), tonic::Code::Internal);
    }

    #[tokio::test]
    async fn a_stream_that_panics_ends_with_an_error() {
        let stream = futures_util::stream::iter(0..).map(|n| if n < 2 { n } else { panic!("at two") });
        let items: Vec<_> = attend_stream("Test", stream).collect().await;
        assert_eq!(items.len(), 3);
        assert!(items[2].is_err());
    }
}
