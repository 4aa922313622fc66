//! The client against servers that answer late, wrongly, too much, or from another place.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use strongbox::{
    domain::{LeaseId, SecretString},
    vault::{Client, Error, Kind, Reply, Settings, Vault},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tracing::{
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{any, header, method, path},
};

/// A value that must never be seen outside the answer that holds it.
const SECRET: &str = "hunter2-in-the-body";

fn settings(address: &str) -> Settings {
    Settings { address: address.to_owned(), allow_plain_http: true, ..Settings::default() }
}

fn client(address: &str) -> Client {
    Client::new(settings(address)).expect("a client")
}

async fn read(client: &Client) -> Result<Reply, Error> {
    let path = "kv/data/app".parse().expect("a path");
    client.read(&SecretString::new("s.token"), &path, &BTreeMap::new()).await
}

/// Reads once from a server that gives `answer` to everything, and returns the error.
async fn refused(answer: ResponseTemplate) -> Error {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let error = read(&client(&server.uri())).await.expect_err("refused");
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    error
}

fn json(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.as_bytes(), "application/json")
}

fn html(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(format!("<html><body>{SECRET}</body></html>"), "text/html")
}

#[tokio::test]
async fn too_many_requests_is_not_denied_and_says_when_to_come_back() {
    let quota = r#"{"errors":["request path \"kv/data/app\": rate limit quota exceeded"]}"#;
    let error = refused(json(429, quota).insert_header("Retry-After", "7")).await;
    assert_eq!((error.kind(), error.retry_after()), (Kind::Unavailable, Some(Duration::from_secs(7))));
    assert!(error.is_transient());
    let error = refused(json(429, r#"{"errors":[]}"#)).await;
    assert_eq!((error.kind(), error.retry_after()), (Kind::Unavailable, None));
    let error = refused(json(429, "{}").insert_header("Retry-After", "99999999")).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
}

#[tokio::test]
async fn trouble_on_the_servers_side_passes() {
    for status in [500, 502, 503, 504] {
        let error = refused(html(status)).await;
        assert_eq!((error.kind(), error.status()), (Kind::Unavailable, Some(status)));
        assert!(error.is_transient());
    }
    let leaderless = r#"{"errors":["local node not active but active cluster node not found"]}"#;
    assert_eq!(refused(json(500, leaderless)).await.kind(), Kind::Unavailable);
    assert_eq!(refused(json(412, r#"{"errors":[]}"#)).await.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_page_instead_of_an_answer_is_malformed() {
    let whole = format!(r#"{{"data":{{"password":"{SECRET}"}},"auth":{{"client_token":"{SECRET}"}}}}"#);
    for body in [&whole[..whole.len() - 1], "[]", "null", r#"{"data":{},"lease_duration":"soon"}"#] {
        let error = refused(json(200, body)).await;
        assert!(error.kind() == Kind::Malformed && error.is_transient(), "{body}: {error}");
    }
    assert_eq!(refused(html(200)).await.kind(), Kind::Malformed);
}

#[tokio::test]
async fn a_login_that_brings_no_token_is_malformed() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(json(200, r#"{"auth":{"accessor":"a"}}"#)).mount(&server).await;
    let error = client(&server.uri()).login_jwt("jwt", "app", &SecretString::new("a.b.c")).await.expect_err("no token");
    assert_eq!(error.kind(), Kind::Malformed);
}

#[tokio::test]
async fn an_answer_over_the_bounds_is_refused() {
    let deep = format!(r#"{{"data":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    assert_eq!(refused(json(200, &deep)).await.kind(), Kind::TooLarge);
    let wide = format!(r#"{{"data":{{"a":[{}0]}}}}"#, "0,".repeat(20_000));
    assert_eq!(refused(json(200, &wide)).await.kind(), Kind::TooLarge);
    let long = format!(r#"{{"data":{{"a":"{}"}}}}"#, "x".repeat(5 * 1024 * 1024));
    assert_eq!(refused(json(200, &long)).await.kind(), Kind::TooLarge);
}

#[tokio::test]
async fn an_empty_answer_is_a_success() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let client = client(&server.uri());
    assert!(client.revoke_lease(&SecretString::new("s.token"), &LeaseId("x".to_owned())).await.is_ok());
    assert!(read(&client).await.expect("empty").data.is_null());
}

#[tokio::test]
async fn a_late_answer_is_given_up() {
    let server = MockServer::start().await;
    let late = json(200, r#"{"data":{}}"#).set_delay(Duration::from_secs(600));
    Mock::given(any()).respond_with(late).mount(&server).await;
    let settings = Settings { request_timeout: Duration::from_millis(100), ..settings(&server.uri()) };
    let error = read(&Client::new(settings).expect("a client")).await.expect_err("late");
    assert!(error.kind() == Kind::Unavailable && error.is_transient(), "{error}");
    assert!(error.to_string().contains("no answer within 100ms"), "{error}");
}

#[tokio::test]
async fn an_answer_that_trickles_is_given_up_too() {
    let address = serve(|mut stream| async move {
        receive(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{").await.ok();
        // One byte at a time would keep a limit between bytes from ever firing.
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let settings = Settings { request_timeout: Duration::from_millis(200), ..settings(&address) };
    let error = read(&Client::new(settings).expect("a client")).await.expect_err("never ends");
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
}

#[tokio::test]
async fn an_answer_cut_anywhere_is_an_error_without_its_content() {
    let body = format!(r#"{{"auth":{{"client_token":"{SECRET}","lease_duration":60}}}}"#);
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for length in (0..whole.len()).step_by(5) {
        let part = whole.as_bytes()[..length].to_vec();
        let address = serve(move |mut stream| {
            let part = part.clone();
            async move {
                receive(&mut stream).await;
                stream.write_all(&part).await.ok();
            }
        })
        .await;
        let login = client(&address).login_jwt("jwt", "app", &SecretString::new("a.b.c")).await;
        let error = login.expect_err("cut");
        assert!(error.kind() == Kind::Unavailable && error.is_transient(), "{length}: {error}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{length}: {error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_the_token_stays() {
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(json(200, r#"{"data":{}}"#)).mount(&elsewhere).await;
    let location = format!("{}/v1/kv/data/app", elsewhere.uri().replace("127.0.0.1", "localhost"));
    for status in [301, 302, 307, 308] {
        let error = refused(ResponseTemplate::new(status).insert_header("Location", location.as_str())).await;
        assert!(error.kind() == Kind::Unavailable && error.is_transient(), "{error}");
        assert!(error.to_string().contains("redirects to \"localhost\""), "{error}");
    }
    assert!(elsewhere.received_requests().await.expect("recorded").is_empty());

    let error = refused(ResponseTemplate::new(307).insert_header("Location", "/v1/kv/data/other")).await;
    assert!(error.kind() == Kind::Invalid && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn each_request_has_its_own_token_and_the_namespace() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/v1/kv/data/app"))
        .and(header("X-Vault-Token", "s.token"))
        .and(header("X-Vault-Request", "true"))
        .and(header("X-Vault-Namespace", "team/a"))
        .respond_with(json(200, r#"{"data":{"a":1}}"#))
        .mount(&server)
        .await;
    let health = r#"{"initialized":true,"sealed":false,"standby":true}"#;
    Mock::given(path("/v1/sys/health")).respond_with(json(429, health)).mount(&server).await;
    let settings = Settings { namespace: Some("team/a".to_owned()), ..settings(&server.uri()) };
    let client = Client::new(settings).expect("a client");
    assert_eq!(read(&client).await.expect("an answer").data["a"], 1);
    let health = client.health().await.expect("a standby's answer");
    assert!(health.ready() && health.standby);
    let requests = server.received_requests().await.expect("recorded");
    let probe = requests.iter().find(|request| request.url.path() == "/v1/sys/health").expect("probed");
    assert!(!probe.headers.contains_key("X-Vault-Namespace") && !probe.headers.contains_key("X-Vault-Token"));
}

/// Says what it is told after the token was looked up, in the way a server treats a dead one.
struct DeadToken;

impl Respond for DeadToken {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        json(403, r#"{"errors":["permission denied"]}"#)
    }
}

#[tokio::test]
async fn a_dead_token_costs_one_more_question_and_no_login() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(DeadToken).mount(&server).await;
    let client = client(&server.uri());
    assert_eq!(read(&client).await.expect_err("dead").kind(), Kind::TokenDead);
    assert_eq!(server.received_requests().await.expect("recorded").len(), 2);
    assert!(client.revoke_self(&SecretString::new("s.token")).await.is_ok());
}

#[tokio::test]
async fn a_lookup_that_fails_leaves_the_token_alive() {
    let server = MockServer::start().await;
    Mock::given(path("/v1/kv/data/app")).respond_with(DeadToken).mount(&server).await;
    Mock::given(path("/v1/auth/token/lookup-self")).respond_with(html(502)).mount(&server).await;
    assert_eq!(read(&client(&server.uri())).await.expect_err("unsure").kind(), Kind::Denied);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_configured() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let counters = (now.clone(), most.clone(), gate.clone());
    let address = serve(move |mut stream| {
        let (now, most, gate) = counters.clone();
        async move {
            receive(&mut stream).await;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            gate.acquire().await.expect("open").forget();
            now.fetch_sub(1, Ordering::SeqCst);
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.ok();
        }
    })
    .await;
    let client = Arc::new(Client::new(Settings { max_in_flight: 3, ..settings(&address) }).expect("a client"));
    let asking: Vec<_> = (0..12)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { read(&client).await.map(|_| ()) })
        })
        .collect();
    while now.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(12);
    for answer in asking {
        answer.await.expect("no panic").expect("an answer");
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

/// Keeps every field of every event and span.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = self.0.lock().expect("no panic in a log");
        text.push_str(&format!("{}={value:?}\n", field.name()));
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        span.record(&mut self.clone());
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut self.clone());
    }
}

#[tokio::test]
async fn no_token_and_no_value_is_logged_at_any_level() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let server = MockServer::start().await;
    let answer = format!(r#"{{"data":{{"a":"{SECRET}"}},"auth":{{"client_token":"{SECRET}"}}}}"#);
    Mock::given(path("/v1/kv/data/app")).respond_with(json(200, &answer)).mount(&server).await;
    Mock::given(path("/v1/auth/jwt/login")).respond_with(json(200, &answer)).mount(&server).await;
    let client = client(&server.uri());
    read(&client).await.expect("an answer");
    client.login_jwt("jwt", "app", &SecretString::new("head.claims.signature")).await.expect("a session");
    client.renew_token(&SecretString::new("s.token")).await.expect_err("no such path");
    let logged = log.0.lock().expect("no panic in a log").clone();
    assert!(logged.contains("kv/data/app"), "nothing was logged");
    for secret in [SECRET, "s.token", "head.claims.signature"] {
        assert!(!logged.contains(secret), "{secret} in {logged}");
    }
}

/// Serves each connection with `answer`, on a free port, until the test's runtime ends.
async fn serve<F, A>(answer: F) -> String
where
    F: Fn(TcpStream) -> A + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// Reads a request: its head, and as much of a body as comes with it.
async fn receive(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(length @ 1..) => request.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
}
