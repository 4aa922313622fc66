//! The services over a real socket, in front of a driver that only remembers: what is refused, what every answer holds, and
//! that no message and no defect ends the process.

#[path = "support/fake_driver.rs"]
mod fake_driver;

use std::{collections::HashMap, time::Duration};

use fake_driver::{PANIC, SLOW, Wire, until};
use futures_util::StreamExt;
use prost::Message;
use strongbox::plugin::proto::{
    base::{self, base_plugin_client::BasePluginClient},
    drivers::{self, driver_client::DriverClient},
    rpc,
    structs::RecoverableError,
};
use tonic::{Code, Status, transport::Channel};

const SECRET: &str = "hunter2-hunter2";

/// What a job with this image looks like on the wire.
fn config(image: &str) -> Vec<u8> {
    rmp_serde::to_vec_named(&serde_json::json!({ "image": image })).expect("encoded")
}

fn task(name: &str, image: &str) -> drivers::TaskConfig {
    drivers::TaskConfig {
        id: format!("alloc/{name}/12345678"),
        name: name.into(),
        alloc_id: "alloc".into(),
        alloc_dir: "/tmp".into(),
        job_id: "job".into(),
        namespace: "default".into(),
        task_group_name: "group".into(),
        env: HashMap::from([("TOKEN".to_owned(), SECRET.to_owned())]),
        msgpack_driver_config: config(image),
        ..Default::default()
    }
}

async fn client(wire: &Wire) -> DriverClient<Channel> {
    DriverClient::new(wire.channel().await).max_encoding_message_size(1 << 30)
}

async fn start(client: &mut DriverClient<Channel>, task: drivers::TaskConfig) -> Result<drivers::TaskHandle, Status> {
    let reply = client.start_task(drivers::StartTaskRequest { task: Some(task) }).await?;
    Ok(reply.into_inner().handle.expect("a handle"))
}

/// Starts a task named `name` and returns its id.
async fn started(client: &mut DriverClient<Channel>, name: &str) -> String {
    start(client, task(name, "image")).await.expect("started").config.expect("a config").id
}

/// What a call must not have given.
trait Refused {
    fn refused(self) -> Status;
}

/// Answers that may hold secrets cannot be printed, so `expect_err` is not for them.
impl<T> Refused for Result<T, Status> {
    fn refused(self) -> Status {
        self.err().unwrap_or_else(|| panic!("was not refused"))
    }
}

/// Returns whether trying again may help, by the trailer of `status`.
fn detail(status: &Status) -> bool {
    let inner = rpc::Status::decode(status.details()).expect("a status in the trailer");
    assert_eq!(inner.code, status.code() as i32);
    RecoverableError::decode(&*inner.details[0].value).expect("a detail").recoverable
}

#[tokio::test]
async fn a_handle_keeps_the_id_and_no_secret() {
    let wire = Wire::serve();
    let handle = start(&mut client(&wire).await, task("a", "image")).await.expect("started");
    assert_eq!((handle.version, &handle.driver_state[..]), (1, &b"state"[..]));
    assert_eq!(handle.state(), drivers::TaskState::Running);
    let bytes = handle.encode_to_vec();
    assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
    let kept = handle.config.expect("a config");
    assert_eq!((kept.id.as_str(), kept.msgpack_driver_config.len()), ("alloc/a/12345678", 0));
}

#[tokio::test]
async fn a_start_that_lacks_what_it_needs_is_malformed() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let empty = client.start_task(drivers::StartTaskRequest { task: None }).await.refused();
    assert_eq!(empty.code(), Code::InvalidArgument);
    let good = || task("a", "image");
    let port = |value| drivers::PortMapping { label: "p".into(), value, to: 0, host_ip: String::new() };
    let resources = |port| Some(drivers::Resources { ports: vec![port], ..Default::default() });
    for bad in [
        drivers::TaskConfig::default(),
        drivers::TaskConfig { id: String::new(), ..good() },
        drivers::TaskConfig { id: "x".repeat(5000), ..good() },
        drivers::TaskConfig { name: "../up".into(), ..good() },
        drivers::TaskConfig { alloc_id: String::new(), ..good() },
        drivers::TaskConfig { resources: resources(port(70_000)), ..good() },
        drivers::TaskConfig { resources: resources(port(-1)), ..good() },
        drivers::TaskConfig { resources: resources(drivers::PortMapping { host_ip: "x".into(), ..port(1) }), ..good() },
    ] {
        let error = start(&mut client, bad).await.refused();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    }
    assert_eq!(wire.fake.calls(), [""; 0]);
}

/// A job with a certificate that is kept up in this way.
fn kept_up(how: serde_json::Value) -> serde_json::Value {
    serde_json::json!({ "image": "x", "certificate": { "c": how } })
}

#[tokio::test]
async fn a_config_that_is_wrong_is_refused_for_good_and_named() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    for (bad, named) in [
        (serde_json::json!({}), "image"),
        (serde_json::json!({ "image": "x", "imagee": "y" }), "imagee"),
        (serde_json::json!({ "image": "x", "privileged": "much" }), "privileged"),
        (serde_json::json!({ "image": "x", "args": "a" }), "args"),
        (serde_json::json!({ "image": "x", "pids_limit": -2 }), "pids_limit"),
        (serde_json::json!({ "image": "x", "template": [{ "destination": "../x", "data": "" }] }), "destination"),
        (serde_json::json!({ "image": "x", "template": [{ "destination": "x", "perms": "0777" }] }), "perms"),
        (serde_json::json!({ "image": "x", "secret": { "db": { "path": "sys/mounts" } } }), "path"),
        (
            serde_json::json!({ "image": "x", "secret": { "db": { "path": "kv/a", "change_mode": "signal" } } }),
            "change_signal",
        ),
        (kept_up(serde_json::json!({ "change_mode": "script" })), "change_script"),
        (kept_up(serde_json::json!({ "change_script": { "command": "x" } })), "change_script"),
        (kept_up(serde_json::json!({ "change_mode": "script", "change_script": {} })), "change_script.command"),
        (
            kept_up(
                serde_json::json!({ "change_mode": "script", "change_script": { "command": "x", "timeout": "0s" } }),
            ),
            "change_script.timeout",
        ),
        (kept_up(serde_json::json!({ "change_mode": "reload" })), "noop, signal, restart or script"),
        (kept_up(serde_json::json!({ "splay": "-5s" })), "splay"),
        (kept_up(serde_json::json!({ "on_outage": "panic" })), "keep, degrade or stop"),
        (kept_up(serde_json::json!({ "outage_grace": "5m" })), "outage_grace"),
        (serde_json::json!({ "image": "x", "certificate": { "c": { "ttl": "soon" } } }), "ttl"),
        (serde_json::json!({ "image": "x", "certificate": { "c": { "ip_sans": ["::g"] } } }), "ip_sans"),
    ] {
        let bytes = rmp_serde::to_vec_named(&bad).expect("encoded");
        let task = drivers::TaskConfig { msgpack_driver_config: bytes, ..task("a", "image") };
        let error = start(&mut client, task).await.refused();
        assert_eq!(error.code(), Code::FailedPrecondition, "{bad}");
        assert!(error.message().contains(named) && !detail(&error), "{bad}: {error}");
    }
    assert_eq!(wire.fake.calls(), [""; 0]);
}

#[tokio::test]
async fn all_mistakes_of_a_config_are_told_together() {
    let wire = Wire::serve();
    let bad = serde_json::json!({ "vault": { "adress": "https://v" }, "refresh": { "kv_poll": "0s", "revoke_after": "soon" }, "pki": [] });
    let msgpack_config = rmp_serde::to_vec_named(&bad).expect("encoded");
    let request = base::SetConfigRequest { msgpack_config, ..Default::default() };
    let error = BasePluginClient::new(wire.channel().await).set_config(request).await.refused();
    assert_eq!(error.code(), Code::InvalidArgument);
    for part in [
        "vault.adress",
        "did you mean \"address\"",
        "vault.address",
        "refresh.kv_poll",
        "refresh.revoke_after",
        "pki: is a list",
    ] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn config_bytes_cut_anywhere_or_nested_deep_are_refused() {
    let wire = Wire::serve();
    let mut base = BasePluginClient::new(wire.channel().await);
    let whole = rmp_serde::to_vec_named(&serde_json::json!({
        "image": "redis:7", "args": ["a", "b"], "secret": { "db": { "path": "kv/db" } },
        "template": [{ "data": "x", "destination": "a" }],
    }))
    .expect("encoded");
    let mut client = client(&wire).await;
    let mut bad: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    bad.extend([
        vec![0x91; 10_000],
        vec![0xdd, 0x80, 0, 0, 0],
        [&whole[..], &[0xc0]].concat(),
        vec![0xc1],
        vec![0xd4, 1, 1],
    ]);
    for bytes in bad {
        let task = drivers::TaskConfig { msgpack_driver_config: bytes.clone(), ..task("a", "image") };
        let error = start(&mut client, task).await.refused();
        assert_eq!(error.code(), Code::FailedPrecondition, "{bytes:02x?}");
        if !bytes.is_empty() {
            let request = base::SetConfigRequest { msgpack_config: bytes.clone(), ..Default::default() };
            let error = base.set_config(request).await.refused();
            assert_eq!(error.code(), Code::InvalidArgument, "{bytes:02x?}");
        }
    }
    base.set_config(base::SetConfigRequest::default()).await.expect("no bytes are all defaults");
}

#[tokio::test]
async fn answers_hold_every_part_that_an_agent_reads() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let id = started(&mut client, "ended").await;

    let waited = client.wait_task(drivers::WaitTaskRequest { task_id: id.clone() }).await.expect("waited").into_inner();
    assert_eq!((waited.result.expect("a result").exit_code, waited.err.as_str()), (3, "it ended"));

    let inspect = drivers::InspectTaskRequest { task_id: id.clone() };
    let seen = client.inspect_task(inspect).await.expect("inspected").into_inner().task.expect("a task");
    assert!(seen.started_at.is_some() && seen.result.is_some());
    assert_eq!(seen.completed_at.expect("Go's zero time").seconds, -62_135_596_800);

    let exec = drivers::ExecTaskRequest { task_id: id.clone(), command: vec!["x".into()], timeout: None };
    assert!(client.exec_task(exec).await.expect("run").into_inner().result.is_some());

    let stats = drivers::TaskStatsRequest { task_id: id, collection_interval: None };
    let mut samples = client.task_stats(stats).await.expect("opened").into_inner();
    let sample = samples.message().await.expect("fine").expect("one").stats.expect("stats");
    let usage = sample.agg_resource_usage.expect("usage");
    assert!(sample.timestamp.is_some() && usage.memory.is_some());
    assert_eq!(usage.cpu.expect("cpu").percent, 50.0);
    assert!(samples.message().await.expect("a clean end").is_none());
}

#[tokio::test]
async fn unknown_tasks_are_fine_to_stop_and_destroy_and_not_found_otherwise() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let task_id = || "no/such/task".to_owned();
    let stop = drivers::StopTaskRequest { task_id: task_id(), ..Default::default() };
    client.stop_task(stop).await.expect("fine");
    client.destroy_task(drivers::DestroyTaskRequest { task_id: task_id(), force: false }).await.expect("fine");
    let exec = drivers::ExecTaskRequest { task_id: task_id(), command: vec!["x".into()], timeout: None };
    let signal = drivers::SignalTaskRequest { task_id: task_id(), signal: "SIGHUP".into() };
    let stats = drivers::TaskStatsRequest { task_id: task_id(), collection_interval: None };
    for error in [
        client.wait_task(drivers::WaitTaskRequest { task_id: task_id() }).await.refused(),
        client.inspect_task(drivers::InspectTaskRequest { task_id: task_id() }).await.refused(),
        client.exec_task(exec).await.refused(),
        client.signal_task(signal).await.refused(),
        client.task_stats(stats).await.refused(),
    ] {
        assert_eq!(error.code(), Code::NotFound);
        assert!(error.message().contains("task not found for given id"), "{error}");
    }
}

#[tokio::test]
async fn times_and_signals_are_checked_and_clamped() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let id = started(&mut client, "a").await;
    let span = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let stop = |timeout, signal: &str| drivers::StopTaskRequest { task_id: id.clone(), timeout, signal: signal.into() };
    for good in [stop(None, ""), stop(span(1_000_000_000_000_000_000), "sigterm"), stop(span(7), "SIGINT")] {
        client.stop_task(good).await.expect("taken");
    }
    for bad in [stop(span(-1), ""), stop(span(i64::MIN), ""), stop(None, "SIGNOPE"), stop(None, "9999")] {
        assert_eq!(client.stop_task(bad).await.refused().code(), Code::InvalidArgument);
    }
    for bad in ["", "SIGNOPE"] {
        let request = drivers::SignalTaskRequest { task_id: id.clone(), signal: bad.into() };
        assert_eq!(client.signal_task(request).await.refused().code(), Code::InvalidArgument);
    }
    for good in ["sighup", "STRONGBOX_ROTATE", "strongbox_render"] {
        let request = drivers::SignalTaskRequest { task_id: id.clone(), signal: good.into() };
        client.signal_task(request).await.expect("taken");
    }
    for command in [vec![], vec![String::new()]] {
        let request = drivers::ExecTaskRequest { task_id: id.clone(), command, timeout: None };
        assert_eq!(client.exec_task(request).await.refused().code(), Code::InvalidArgument);
    }
    let stats = |collection_interval| drivers::TaskStatsRequest { task_id: id.clone(), collection_interval };
    client.task_stats(stats(span(0))).await.expect("raised");
    assert_eq!(client.task_stats(stats(span(-1))).await.refused().code(), Code::InvalidArgument);

    let calls = wire.fake.calls();
    for call in ["0ns None", "86400s Some(SIGTERM)", "7s Some(SIGINT)"] {
        assert!(calls.contains(&format!("stop {id} {call}")), "{call}: {calls:?}");
    }
    for call in [
        format!("signal {id} SIGHUP"),
        format!("demand {id} STRONGBOX_ROTATE"),
        format!("demand {id} STRONGBOX_RENDER"),
    ] {
        assert!(calls.contains(&call), "{call}: {calls:?}");
    }
    assert!(calls.contains(&format!("stats {id} 1s")), "{calls:?}");
}

#[tokio::test]
async fn handles_that_are_not_ours_are_refused() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let good = start(&mut client, task("a", "image")).await.expect("started");
    let recover = |handle| drivers::RecoverTaskRequest { task_id: String::new(), handle };
    for bad in [
        None,
        Some(drivers::TaskHandle::default()),
        Some(drivers::TaskHandle { version: 0, ..good.clone() }),
        Some(drivers::TaskHandle { version: 2, ..good.clone() }),
        Some(drivers::TaskHandle { config: None, ..good.clone() }),
        Some(drivers::TaskHandle { config: Some(Default::default()), ..good.clone() }),
        Some(drivers::TaskHandle { driver_state: vec![], ..good.clone() }),
        Some(drivers::TaskHandle { driver_state: vec![0xff; 10 << 20], ..good.clone() }),
    ] {
        let error = client.recover_task(recover(bad)).await.refused();
        assert!([Code::FailedPrecondition, Code::InvalidArgument].contains(&error.code()), "{error}");
    }
    client.recover_task(recover(Some(good))).await.expect("ours");
}

#[tokio::test]
async fn a_defect_is_the_calls_own_error() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let error = start(&mut client, task("bad", PANIC)).await.refused();
    assert_eq!(error.code(), Code::Internal);
    let id = started(&mut client, "good").await;
    let exec = |word: &str| drivers::ExecTaskRequest { task_id: id.clone(), command: vec![word.into()], timeout: None };
    assert_eq!(client.exec_task(exec(PANIC)).await.refused().code(), Code::Internal);
    client.exec_task(exec("true")).await.expect("the next one is served");
}

/// Whether the server has heard of the caller's going before the start ends cannot be seen from here, so each round
/// gives it more time.
#[tokio::test]
async fn a_start_whose_caller_went_away_is_undone() {
    let wire = Wire::serve();
    for round in 1..=10 {
        let name = format!("a{round}");
        let (mut gone, destroyed) = (client(&wire).await, format!("destroy alloc/{name}/12345678"));
        let call = tokio::spawn(async move { start(&mut gone, task(&name, SLOW)).await });
        wire.fake.begun.notified().await;
        call.abort();
        assert!(call.await.is_err_and(|error| error.is_cancelled()));
        tokio::time::sleep(Duration::from_millis(20) * round * round).await;
        wire.fake.go.notify_one();
        let undone = until("the task is destroyed", || wire.fake.calls().contains(&destroyed));
        if tokio::time::timeout(Duration::from_secs(1), undone).await.is_ok() {
            return;
        }
    }
    panic!("no task was removed again");
}

#[tokio::test]
async fn large_messages_are_taken_and_larger_ones_refused() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let exec = |bytes: usize| drivers::ExecTaskRequest {
        task_id: "no/such".into(),
        command: vec!["x".repeat(bytes)],
        timeout: None,
    };
    for taken in [5 << 20, 15 << 20] {
        assert_eq!(client.exec_task(exec(taken)).await.refused().code(), Code::NotFound);
    }
    let error = client.exec_task(exec(17 << 20)).await.refused();
    assert!([Code::OutOfRange, Code::ResourceExhausted].contains(&error.code()), "{error}");
    client.capabilities(drivers::CapabilitiesRequest {}).await.expect("serving goes on");
}

/// Talks with a command; the request stream stays open, as an agent's does.
async fn talk(
    client: &mut DriverClient<Channel>,
    messages: Vec<drivers::ExecTaskStreamingRequest>,
) -> Result<Vec<drivers::ExecTaskStreamingResponse>, Status> {
    let requests = futures_util::stream::iter(messages).chain(futures_util::stream::pending());
    let answers = client.exec_task_streaming(requests).await?.into_inner();
    answers.collect::<Vec<_>>().await.into_iter().collect()
}

fn command(task_id: &str, command: &[&str]) -> drivers::ExecTaskStreamingRequest {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    let setup = drivers::exec_task_streaming_request::Setup { task_id: task_id.into(), command, tty: false };
    drivers::ExecTaskStreamingRequest { setup: Some(setup), ..Default::default() }
}

fn typed(data: &str, close: bool) -> drivers::ExecTaskStreamingRequest {
    let stdin = drivers::ExecTaskStreamingIoOperation { data: data.into(), close };
    drivers::ExecTaskStreamingRequest { stdin: Some(stdin), ..Default::default() }
}

fn sized(height: i32, width: i32) -> drivers::ExecTaskStreamingRequest {
    let size = drivers::exec_task_streaming_request::TerminalSize { height, width };
    drivers::ExecTaskStreamingRequest { tty_size: Some(size), ..Default::default() }
}

#[tokio::test]
async fn a_commands_streams_pass_in_both_directions() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let id = started(&mut client, "a").await;
    let nothing = drivers::ExecTaskStreamingRequest::default();
    let messages = vec![command(&id, &["sh"]), typed("in", false), nothing, sized(24, 80), typed("last", true)];
    let answers = talk(&mut client, messages).await.expect("no error");
    let text = |io: &Option<drivers::ExecTaskStreamingIoOperation>| {
        io.as_ref().map(|io| (String::from_utf8_lossy(&io.data).into_owned(), io.close))
    };
    let heard: Vec<_> = answers.iter().map(|answer| (text(&answer.stdout), text(&answer.stderr))).collect();
    let said = |word: &str, close| Some((word.to_owned(), close));
    let expected = [
        (said("in", false), None),
        (None, said("24 80", false)),
        (said("last", false), None),
        (said("", true), None),
        (None, said("", true)),
        (None, None),
    ];
    assert_eq!(heard, expected);
    let last = answers.last().expect("an end");
    assert_eq!((last.exited, last.result.as_ref().expect("a result").exit_code), (true, 3));
    assert!(wire.fake.calls().contains(&format!("exec_stream {id} [\"sh\"] tty=false")), "{:?}", wire.fake.calls());
}

#[tokio::test]
async fn talk_with_a_command_that_makes_no_sense_is_refused() {
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let id = started(&mut client, "a").await;
    for (number, (messages, code)) in [
        (vec![typed("early", false)], Code::InvalidArgument),
        (vec![command(&id, &[])], Code::InvalidArgument),
        (vec![command(&id, &[""])], Code::InvalidArgument),
        (vec![command("", &["sh"])], Code::InvalidArgument),
        (vec![command("no/such/task", &["sh"])], Code::NotFound),
        (vec![command(&id, &["sh"]), command(&id, &["sh"])], Code::InvalidArgument),
        (vec![command(&id, &["sh"]), sized(-1, 80)], Code::InvalidArgument),
        (vec![command(&id, &["sh"]), sized(24, 1 << 16)], Code::InvalidArgument),
        (vec![command(&id, &["sh"]), typed(PANIC, false)], Code::Internal),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(talk(&mut client, messages).await.refused().code(), code, "talk {number}");
    }
    let requests = futures_util::stream::empty::<drivers::ExecTaskStreamingRequest>();
    assert_eq!(client.exec_task_streaming(requests).await.refused().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_groups_network_is_made_once_and_told_in_the_agents_words() {
    use drivers::network_isolation_spec::NetworkIsolationMode as Mode;
    let wire = Wire::serve();
    let mut client = client(&wire).await;
    let wanted = drivers::CreateNetworkRequest { alloc_id: "a".into(), hostname: "shop".into() };
    let first = client.create_network(wanted.clone()).await.expect("made").into_inner();
    let again = client.create_network(wanted).await.expect("found").into_inner();
    assert_eq!((first.created, again.created), (true, false));
    let spec = first.isolation_spec.expect("without one an agent plumbs nothing");
    assert_eq!((spec.mode(), spec.path.as_str()), (Mode::Group, "/proc/1/ns/net"));
    let labels = [("docker_sandbox_container_id", "0123456789abcdef"), ("docker_sandbox_hostname", "shop")];
    assert_eq!(spec.labels, labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let gone = drivers::DestroyNetworkRequest { alloc_id: "a".into(), isolation_spec: None };
    client.destroy_network(gone).await.expect("removed");
    assert_eq!(wire.fake.calls().last().map(String::as_str), Some("destroy network a"));
    let reply = client.capabilities(drivers::CapabilitiesRequest {}).await.expect("answered").into_inner();
    let can = reply.capabilities.expect("capabilities");
    assert!(can.send_signals && can.exec && can.must_create_network);
    assert_eq!(can.network_isolation_modes, [Mode::Host as i32, Mode::Group as i32, Mode::Task as i32]);
}
