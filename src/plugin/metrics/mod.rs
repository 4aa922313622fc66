//! A page of figures for whoever watches the node, where the agent's protocol has no field for them.
//!
//! Off unless the operator gives an address. Promises: nothing on the page is secret; it answers one path and changes nothing;
//! whatever happens to it, tasks and the agent do not notice.

mod listen;
mod page;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::driver::{Listen, TaskDriver};
use listen::Listener;

/// Most connections at a time; a watcher needs one.
const CONNECTIONS: usize = 8;
/// Longest life of a connection: one question, one answer.
const EXCHANGE: Duration = Duration::from_secs(20);
/// Longest wait for a question.
const QUESTION: Duration = Duration::from_secs(5);
/// Wait before the address is tried again: the process before may still hold it.
const RETRY: Duration = Duration::from_secs(5);
/// Rest after a failed accept, so that the loop does not spin.
const REST: Duration = Duration::from_millis(50);

/// Answers at `listen` until `ending`.
pub(super) async fn serve(driver: Arc<dyn TaskDriver>, listen: Listen, ending: CancellationToken) {
    let answers = async {
        let listener = bind(&listen).await;
        tracing::info!(address = %listen, "Metrics are served");
        accept(driver, listener).await;
    };
    ending.run_until_cancelled(answers).await;
}

/// Takes the address, however long that lasts: loud at first, then quiet.
async fn bind(listen: &Listen) -> Listener {
    let mut told = false;
    loop {
        let error = match Listener::bind(listen).await {
            Ok(listener) => return listener,
            Err(error) => error,
        };
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(address = %listen, %error, "Metrics cannot be served; it is tried again");
        }
        sleep(RETRY).await;
    }
}

async fn accept(driver: Arc<dyn TaskDriver>, listener: Listener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match (listener.accept().await, Arc::clone(&places).try_acquire_owned()) {
            (Ok(stream), Ok(place)) => {
                let driver = Arc::clone(&driver);
                tokio::spawn(async move {
                    exchange(driver, stream).await;
                    drop(place);
                });
            }
            (Ok(_), Err(_)) => tracing::debug!("A connection for metrics was dropped: too many at a time"),
            (Err(error), _) => {
                tracing::debug!(%error, "A connection for metrics could not be accepted");
                sleep(REST).await;
            }
        }
    }
}

/// One question and its answer.
async fn exchange(driver: Arc<dyn TaskDriver>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(move |request| answer(Arc::clone(&driver), request));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(QUESTION)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(EXCHANGE, connection).await {
        tracing::debug!(%error, "A question for metrics was not answered");
    }
}

async fn answer(driver: Arc<dyn TaskDriver>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "the figures are at /metrics\n".to_owned()));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n".to_owned()));
    }
    let figures = match driver.figures().await {
        Ok(figures) => figures,
        Err(error) => return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))),
    };
    Ok(match page::write(&figures) {
        Ok(page) => {
            let mut response = plain(StatusCode::OK, page);
            response.headers_mut().insert(CONTENT_TYPE, page::CONTENT_TYPE);
            response
        }
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    })
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
