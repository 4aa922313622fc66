//! Several servers of one cluster: which is asked, when the next one is, and what is never sent twice.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use strongbox::{
    domain::{SecretString, ServerPath},
    vault::{Client, Error, Kind, Reply, Settings, Vault},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header, method},
};

const LEADERLESS: &str = r#"{"errors":["local node not active but active cluster node not found"]}"#;

async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

fn answer(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.as_bytes(), "application/json")
}

fn good() -> ResponseTemplate {
    answer(200, r#"{"data":{"a":1}}"#)
}

fn settings(addresses: &[&str]) -> Settings {
    Settings {
        address: addresses[0].to_owned(),
        other_addresses: addresses[1..].iter().map(|address| (*address).to_owned()).collect(),
        allow_plain_http: true,
        ..Settings::default()
    }
}

fn client(addresses: &[&str]) -> Client {
    Client::new(settings(addresses)).expect("a client")
}

fn path() -> ServerPath {
    "kv/data/app".parse().expect("a path")
}

async fn read(client: &Client) -> Result<Reply, Error> {
    client.read(&SecretString::new("s.token"), &path(), &BTreeMap::new()).await
}

async fn write(client: &Client) -> Result<Reply, Error> {
    client.write(&SecretString::new("s.token"), &path(), &json!({"csr": "x"})).await
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.expect("recorded").len()
}

/// An address at which nobody listens.
fn nobody() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", socket.local_addr().expect("an address"))
}

#[tokio::test]
async fn an_unreachable_server_is_passed_over_for_reads_and_writes() {
    let works = server(good()).await;
    let client = client(&[&nobody(), &works.uri()]);
    write(&client).await.expect("the second answers");
    read(&client).await.expect("the second answers");
    assert_eq!(asked(&works).await, 2);
    assert_eq!(client.address(), works.uri());
}

#[tokio::test]
async fn a_server_that_says_it_does_not_serve_is_passed_over_and_the_good_one_stuck_to() {
    for (status, body) in [
        (503, r#"{"errors":["Vault is sealed"]}"#),
        (503, r#"{"errors":["no active Vault instance found"]}"#),
        (500, LEADERLESS),
        (473, r#"{"errors":[]}"#),
    ] {
        let (away, works) = (server(answer(status, body)).await, server(good()).await);
        let client = client(&[&away.uri(), &works.uri()]);
        for _ in 0..5 {
            write(&client).await.expect("the second answers");
        }
        assert_eq!((asked(&away).await, asked(&works).await), (1, 5), "{status} {body}");
    }
}

#[tokio::test]
async fn what_a_server_may_have_heard_is_not_sent_to_another() {
    let late = good().set_delay(Duration::from_secs(600));
    for trouble in [answer(502, "<html>"), answer(504, ""), late] {
        let (unsure, works) = (server(trouble).await, server(good()).await);
        let quick = Settings {
            request_timeout: Duration::from_millis(200),
            issue_timeout: Duration::from_millis(200),
            ..settings(&[&unsure.uri(), &works.uri()])
        };
        let client = Client::new(quick).expect("a client");
        let error = write(&client).await.expect_err("nobody knows what became of it");
        assert!(error.kind() == Kind::Unavailable && error.is_transient(), "{error}");
        assert_eq!((asked(&unsure).await, asked(&works).await), (1, 0));
        write(&client).await.expect("the next request goes to the next server");
        assert_eq!((asked(&unsure).await, asked(&works).await), (1, 1));
    }
}

#[tokio::test]
async fn an_engines_own_trouble_is_no_reason_to_leave_the_server() {
    let broken = server(answer(500, r#"{"errors":["failed to connect to the database"]}"#)).await;
    let works = server(good()).await;
    let client = client(&[&broken.uri(), &works.uri()]);
    for _ in 0..5 {
        assert_eq!(read(&client).await.expect_err("broken").status(), Some(500));
    }
    assert_eq!((asked(&broken).await, asked(&works).await), (5, 0));
}

#[tokio::test]
async fn a_standby_may_point_to_a_configured_server_and_nowhere_else() {
    let active = MockServer::start().await;
    Mock::given(method("POST")).and(header("X-Vault-Token", "s.token")).respond_with(good()).mount(&active).await;
    let other = server(good()).await;
    let to = |place: String| ResponseTemplate::new(307).insert_header("Location", place);
    let standby = server(to(format!("{}/v1/kv/data/app", active.uri()))).await;
    let followed = client(&[&standby.uri(), &other.uri(), &active.uri()]);
    write(&followed).await.expect("the active one answers");
    assert_eq!((asked(&standby).await, asked(&active).await, asked(&other).await), (1, 1, 0));

    for place in [format!("{}/v1/kv/data/else", active.uri()), format!("{}/v1/kv/data/app", other.uri())] {
        let standby = server(to(place.clone())).await;
        let error = write(&client(&[&standby.uri(), &active.uri()])).await.expect_err("not followed");
        assert!(error.to_string().contains("redirects"), "{place}: {error}");
    }
    assert_eq!((asked(&active).await, asked(&other).await), (1, 0));
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let (one, two) = (MockServer::start().await, MockServer::start().await);
    for (from, to) in [(&one, &two), (&two, &one)] {
        let place = format!("{}/v1/kv/data/app", to.uri());
        let answer = ResponseTemplate::new(307).insert_header("Location", place);
        Mock::given(any()).respond_with(answer).mount(from).await;
    }
    read(&client(&[&one.uri(), &two.uri()])).await.expect_err("no end in sight");
    assert_eq!((asked(&one).await, asked(&two).await), (1, 1));
}

#[tokio::test]
async fn two_hundred_tasks_do_not_storm_a_server_that_is_away() {
    let away = server(answer(503, r#"{"errors":["Vault is sealed"]}"#)).await;
    let client = client(&[&away.uri()]);
    for _ in 0..3 {
        read(&client).await.expect_err("sealed");
    }
    let asking = (0..200).map(|_| read(&client));
    for outcome in futures_util::future::join_all(asking).await {
        let error = outcome.expect_err("away");
        assert!(error.is_transient(), "{error}");
    }
    assert!(asked(&away).await <= 6, "{}", asked(&away).await);
    let error = read(&client).await.expect_err("away");
    assert!(error.retry_after().is_some_and(|wait| wait > Duration::ZERO) || error.status() == Some(503), "{error}");
    // The probe of the server itself is what ends an outage, and goes through.
    let before = asked(&away).await;
    client.health().await.ok();
    assert_eq!(asked(&away).await, before + 1);
}

#[tokio::test]
async fn what_a_flooded_server_asks_for_is_kept_by_all() {
    let flooded = MockServer::start().await;
    let quota = answer(429, r#"{"errors":["rate limit quota exceeded"]}"#).insert_header("Retry-After", "1");
    Mock::given(any()).respond_with(quota).up_to_n_times(1).mount(&flooded).await;
    Mock::given(any()).respond_with(good()).mount(&flooded).await;
    let client = client(&[&flooded.uri()]);
    let error = read(&client).await.expect_err("too much");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    let before = std::time::Instant::now();
    read(&client).await.expect("after the pause");
    assert!(before.elapsed() >= Duration::from_millis(900), "{:?}", before.elapsed());
}

#[tokio::test]
async fn namespaces_of_one_cluster_share_its_servers() {
    let works = MockServer::start().await;
    Mock::given(header("X-Vault-Namespace", "team/a")).respond_with(good()).mount(&works).await;
    let client = Client::new(Settings { namespace: Some("team/b".to_owned()), ..settings(&[&works.uri()]) });
    let client = client.expect("a client");
    read(&client).await.expect_err("team/b has nothing");
    let view = client.in_namespace("team/a");
    view.read(&SecretString::new("s.token"), &path(), &BTreeMap::new()).await.expect("team/a has it");
    client
        .in_namespace("")
        .read(&SecretString::new("s.token"), &path(), &BTreeMap::new())
        .await
        .expect_err("the root has nothing");
    let requests = works.received_requests().await.expect("recorded");
    assert!(!requests[2].headers.contains_key("X-Vault-Namespace"));
}
