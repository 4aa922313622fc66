//! A secrets server that lends and renews and does nothing else, so that what is measured is who asks.
//!
//! It is this program again in a process of its own. Ten thousand accounts of a real database would measure the database.

use std::{
    collections::HashMap,
    convert::Infallible,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The variable by which this program knows that it is to be the server; its value is the life of a lease in seconds.
pub const CALLED: &str = "BENCH_STUB_LEASE_SECONDS";
/// Life of a token.
const TOKEN_SECONDS: u64 = 24 * 3600;

/// What was asked of the server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Requests of any kind.
    pub requests: u64,
    /// Leases that were given out.
    pub lent: u64,
    /// Renewals in time.
    pub renewed: u64,
    /// Renewals of what had ended.
    pub late: u64,
}

/// The server, as seen by who measures; it ends with the value.
pub struct Stub {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Stub {
    /// Starts it; leases live for `life`.
    pub fn start(life: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .env(CALLED, life.as_secs().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program runs");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut address).expect("an address");
        Self { child, address: address.trim().to_owned() }
    }

    /// Returns what was asked so far.
    pub async fn counts(&self) -> Counts {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("{}/counts", self.address)).send().await.expect("an answer");
        answer.json().await.expect("counts")
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[derive(Default)]
struct State {
    counts: Counts,
    /// When each lease ends.
    ends: HashMap<String, Instant>,
}

struct Server {
    life: Duration,
    state: Mutex<State>,
}

/// Serves until the process is killed.
pub async fn serve() {
    let seconds = std::env::var(CALLED).ok().and_then(|text| text.parse().ok()).expect("seconds");
    let server = Arc::new(Server { life: Duration::from_secs(seconds), state: Mutex::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    writeln!(std::io::stdout(), "http://{address}").expect("somebody reads");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&server), request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches("/v1/").trim_start_matches('/').to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (status, said) = server.answer(&path, &serde_json::from_slice(&body).unwrap_or_default());
    let body = if said.is_null() { Bytes::new() } else { said.to_string().into() };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::new(body)).expect("an answer"))
}

impl Server {
    fn answer(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut state = self.state.lock().expect("nobody panics with it");
        if path == "counts" {
            return (200, json!(state.counts));
        }
        state.counts.requests += 1;
        match path {
            "sys/health" => {
                (200, json!({ "initialized": true, "sealed": false, "standby": false, "version": "2.0.0" }))
            }
            "sys/leases/renew" => state.renew(body["lease_id"].as_str().unwrap_or_default(), self.life),
            "sys/leases/lookup" => (200, json!({ "data": { "ttl": self.life.as_secs(), "renewable": true } })),
            "auth/token/lookup-self" => (200, json!({ "data": { "ttl": TOKEN_SECONDS, "renewable": true } })),
            "auth/token/renew-self" => (200, token()),
            "auth/token/revoke-self" | "sys/leases/revoke" => (204, Value::Null),
            path if path.starts_with("auth/") && path.ends_with("/login") => (200, token()),
            path if path.starts_with("sys/internal/ui/mounts/") => {
                (200, json!({ "data": { "path": "database/", "type": "database" } }))
            }
            path if path.starts_with("database/creds/") => (200, state.lend(path, self.life)),
            _ => (404, json!({ "errors": [] })),
        }
    }
}

impl State {
    fn lend(&mut self, path: &str, life: Duration) -> Value {
        self.counts.lent += 1;
        let id = format!("{path}/{}", self.counts.lent);
        self.ends.insert(id.clone(), Instant::now() + life);
        json!({
            "request_id": id, "lease_id": id, "lease_duration": life.as_secs(), "renewable": true,
            "data": { "username": format!("v-timeline-{:08}", self.counts.lent), "password": "A1a-JV9sQ2mXw7TzKp3RbYc4" },
        })
    }

    fn renew(&mut self, id: &str, life: Duration) -> (u16, Value) {
        let now = Instant::now();
        match self.ends.get_mut(id).filter(|end| **end >= now) {
            Some(end) => {
                *end = now + life;
                self.counts.renewed += 1;
                (200, json!({ "lease_id": id, "lease_duration": life.as_secs(), "renewable": true }))
            }
            None => {
                self.counts.late += 1;
                (400, json!({ "errors": ["lease not found"] }))
            }
        }
    }
}

fn token() -> Value {
    json!({ "auth": {
        "client_token": "s.bench", "accessor": "bench", "policies": ["timeline"], "token_policies": ["timeline"],
        "lease_duration": TOKEN_SECONDS, "renewable": true, "token_type": "service",
    } })
}
