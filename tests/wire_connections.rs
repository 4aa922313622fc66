//! Connections, streams and the end: strangers on the socket, hundreds of pending calls, and leaving while all are open.

#[path = "support/fake_driver.rs"]
mod fake_driver;

use std::time::Duration;

use fake_driver::{Wire, until};
use strongbox::plugin::proto::{
    drivers::{self, driver_client::DriverClient},
    goplugin::{
        ConnInfo, Empty, grpc_broker_client::GrpcBrokerClient, grpc_controller_client::GrpcControllerClient,
        grpc_stdio_client::GrpcStdioClient,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

const LIMIT: Duration = Duration::from_secs(30);

/// Starts a task that never ends and returns its id.
async fn started(wire: &Wire) -> String {
    let task = drivers::TaskConfig {
        id: "alloc/a/12345678".into(),
        name: "a".into(),
        alloc_id: "alloc".into(),
        alloc_dir: "/tmp".into(),
        msgpack_driver_config: b"\x81\xa5image\xa1x".to_vec(),
        ..Default::default()
    };
    let mut client = DriverClient::new(wire.channel().await);
    let reply = client.start_task(drivers::StartTaskRequest { task: Some(task) }).await.expect("started");
    reply.into_inner().handle.and_then(|handle| handle.config).expect("a handle").id
}

#[tokio::test]
async fn go_plugins_small_services_answer() {
    let wire = Wire::serve();
    let channel = wire.channel().await;
    let mut health = HealthClient::new(channel.clone());
    let serving = health.check(HealthCheckRequest { service: "plugin".into() }).await.expect("known").into_inner();
    assert_eq!(serving.status(), ServingStatus::Serving);
    let other = health.check(HealthCheckRequest { service: "other".into() }).await.expect_err("unknown");
    assert_eq!(other.code(), Code::NotFound);

    let mut stdio = GrpcStdioClient::new(channel.clone()).stream_stdio(()).await.expect("opened").into_inner();
    let words = futures_util::stream::pending::<ConnInfo>();
    let mut broker = GrpcBrokerClient::new(channel.clone()).start_stream(words).await.expect("opened").into_inner();
    // Held open and silent until the end, then closed cleanly.
    GrpcControllerClient::new(channel).shutdown(Empty {}).await.expect("answered at once");
    assert!(timeout(LIMIT, stdio.message()).await.expect("in time").expect("clean").is_none());
    assert!(timeout(LIMIT, broker.message()).await.expect("in time").expect("clean").is_none());
    timeout(LIMIT, wire.served).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn the_end_comes_whatever_is_open_and_lets_tasks_go() {
    let wire = Wire::serve();
    let channel = wire.channel().await;
    let id = started(&wire).await;
    let mut client = DriverClient::new(channel.clone());
    let mut prints = client.fingerprint(drivers::FingerprintRequest {}).await.expect("opened").into_inner();
    let first = prints.message().await.expect("fine").expect("at once");
    assert_eq!(first.health_description, "Healthy");
    let _events = client.task_events(drivers::TaskEventsRequest {}).await.expect("opened");
    let mut waiter = DriverClient::new(channel.clone());
    let wait = tokio::spawn(async move { waiter.wait_task(drivers::WaitTaskRequest { task_id: id }).await });

    GrpcControllerClient::new(channel).shutdown(Empty {}).await.expect("answered at once");
    timeout(LIMIT, wire.served).await.expect("in time").expect("no panic");
    wait.abort();
    let calls = wire.fake.calls();
    assert!(calls.contains(&"shutdown".to_owned()), "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("stop") || call.starts_with("destroy")), "{calls:?}");
}

#[tokio::test]
async fn three_hundred_pending_waits_block_nobody() {
    let wire = Wire::serve();
    let (channel, id) = (wire.channel().await, started(&wire).await);
    let waits: Vec<_> = (0..300)
        .map(|_| {
            let (mut client, task_id) = (DriverClient::new(channel.clone()), id.clone());
            tokio::spawn(async move { client.wait_task(drivers::WaitTaskRequest { task_id }).await })
        })
        .collect();
    let mut client = DriverClient::new(channel);
    for _ in 0..10 {
        let inspect = client.inspect_task(drivers::InspectTaskRequest { task_id: id.clone() });
        timeout(LIMIT, inspect).await.expect("not queued behind the waits").expect("answered");
    }
    assert!(waits.iter().all(|wait| !wait.is_finished()));
    waits.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn what_speaks_no_http2_is_dropped_and_serving_goes_on() {
    let wire = Wire::serve();
    for words in [
        &b"GET / HTTP/1.1\r\nHost: unused\r\n\r\n"[..],
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0].repeat(3),
        &[0; 64],
    ] {
        let mut stranger = UnixStream::connect(&wire.socket).await.expect("connected");
        stranger.write_all(words).await.ok();
        let mut answer = Vec::new();
        timeout(LIMIT, stranger.read_to_end(&mut answer)).await.expect("dropped").ok();
        assert_eq!(answer, b"");
    }
    let _idle: Vec<_> = {
        let mut idle = Vec::new();
        for _ in 0..200 {
            idle.push(UnixStream::connect(&wire.socket).await.expect("connected"));
        }
        idle
    };
    let mut client = DriverClient::new(wire.channel().await);
    client.capabilities(drivers::CapabilitiesRequest {}).await.expect("served");
}

#[tokio::test]
async fn a_cancelled_wait_frees_its_place() {
    let wire = Wire::serve();
    let id = started(&wire).await;
    let mut client = DriverClient::new(wire.channel().await);
    for _ in 0..50 {
        let wait = client.wait_task(drivers::WaitTaskRequest { task_id: id.clone() });
        assert!(timeout(Duration::from_millis(5), wait).await.is_err());
    }
    client.destroy_task(drivers::DestroyTaskRequest { task_id: id.clone(), force: true }).await.expect("destroyed");
    until("the task is gone", || wire.fake.tasks.lock().expect("no panic").is_empty()).await;
}

#[tokio::test]
async fn unknown_methods_and_services_are_unimplemented() {
    let wire = Wire::serve();
    for path in ["/hashicorp.nomad.plugins.drivers.proto.Driver/Nope", "/no.such.Service/Call"] {
        let mut grpc = tonic::client::Grpc::new(wire.channel().await);
        grpc.ready().await.expect("ready");
        let codec = tonic_prost::ProstCodec::<Empty, Empty>::default();
        let path = http::uri::PathAndQuery::from_static(path);
        let error = grpc.unary(tonic::Request::new(Empty {}), path, codec).await.expect_err("unknown");
        assert_eq!(error.code(), Code::Unimplemented);
    }
}
