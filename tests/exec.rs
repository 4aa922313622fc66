//! Commands in a task with somebody at their streams, through the plugin's socket, on the real engine.

use std::{fs, future::Future, path::PathBuf, process::Command, sync::Arc, time::Duration};

use strongbox::plugin::proto::drivers::{
    ExecTaskStreamingRequest,
    exec_task_streaming_request::{Setup, TerminalSize},
};
use tonic::Code;

#[path = "support/engine.rs"]
mod engine_proxy;
#[path = "../examples/harness/mod.rs"]
mod harness;

use engine_proxy::Proxy;
use harness::{
    feed::{Event, Stream},
    process::Program,
    runner::Run,
    session::{Heard, Session, Transcript},
    testbed::TestBed,
};

const LIMIT: Duration = Duration::from_secs(60);
const MEBIBYTE: u64 = 1 << 20;
/// What the plugin may need more at its peak, whatever a command prints.
const ROOM: u64 = 24 * MEBIBYTE;

const JOB: &str = r#"job "shell" {
  group "g" {
    task "shell" {
      driver       = "strongbox"
      kill_timeout = "1s"
      resources {
        memory = 64
      }
      config {
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
      }
    }
  }
}
"#;

/// A plugin without a secrets server, and one task in which commands run.
struct Bench {
    bed: TestBed,
    task: Run,
    /// The container's id, asked once: later there may be no plugin to ask.
    container: String,
    _root: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::by(PathBuf::from(env!("CARGO_BIN_EXE_nomad-driver-strongbox"))).await
    }

    async fn by(binary: PathBuf) -> Self {
        Self::with(binary, "").await
    }

    /// As [`Bench::by`], with more in the operator's config.
    async fn with(binary: PathBuf, more: &str) -> Self {
        let root = tempfile::Builder::new().prefix("strongbox-exec-").tempdir_in("/var/tmp").expect("a directory");
        let dir = root.path().display();
        let config = format!("config {{\n  state_dir = \"{dir}/state\"\n  runtime_dir = \"{dir}/run\"\n{more}}}");
        let bed = TestBed::start(Program { binary, env: Vec::new() }, &config).await;
        let task = bed.task(JOB);
        bed.run(&task).await.unwrap_or_else(|status| panic!("run `make setup` first: {}", status.message()));
        let container = task.container(&bed.agent).await.expect("a container");
        Self { bed, task, container, _root: root }
    }

    async fn open(&self, line: &str, tty: bool) -> Session {
        let words = ["sh", "-c", line];
        Session::open(&self.bed.agent, &self.task, &words, tty).await.expect("it begins")
    }

    /// Runs a line of shell that reads nothing.
    async fn run(&self, line: &str, tty: bool) -> Transcript {
        let mut session = self.open(line, tty).await;
        within(line, session.listen()).await.expect("no error")
    }

    /// Returns the code that the talk is refused with.
    async fn refused(&self, first: ExecTaskStreamingRequest, then: Vec<ExecTaskStreamingRequest>) -> Code {
        let talk = async {
            let mut session = Session::talk(&self.bed.agent, first).await?;
            for message in then {
                session.input.say(message).await;
            }
            session.listen().await
        };
        within("a refusal", talk).await.expect_err("refused").code()
    }

    /// Waits until no process of the container has `part` in its command line.
    async fn gone(&self, part: &str) {
        let container = &self.container;
        let ends = async {
            while processes(container).contains(part) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(LIMIT, ends).await.is_err() {
            let log =
                self.bed.agent.feed.since(0).iter().map(|entry| format!("{:?}\n", entry.what)).collect::<String>();
            panic!("{part:?} never ends:\n{}\n{log}", processes(container));
        }
    }

    async fn runs(&self, part: &str) {
        let container = &self.container;
        within(&format!("{part:?} begins"), async {
            while !processes(container).contains(part) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    async fn end(self) {
        self.bed.end(&self.task).await;
    }

    fn memory(&self, which: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.bed.agent.process().pid())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("a number");
        let kibibytes: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes * 1024
    }

    /// Lets the kernel forget the largest size so far.
    fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.bed.agent.process().pid()), "5").expect("root may");
    }
}

/// What a failed test leaves behind.
impl Drop for Bench {
    fn drop(&mut self) {
        Command::new("docker").args(["rm", "-f", "-v", &self.container]).output().ok();
    }
}

fn processes(container: &str) -> String {
    let output = Command::new("docker").args(["top", container, "-o", "pid,args"]).output().expect("docker runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("never: {what}"))
}

fn transcript(out: &str, err: &str, code: i32) -> Transcript {
    Transcript { out: out.into(), err: err.into(), code: Some(code) }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_outputs_are_apart_and_the_code_is_told() {
    let bench = Bench::new().await;
    assert_eq!(bench.run("echo out; echo err >&2; exit 43", false).await, transcript("out\n", "err\n", 43));
    let slow = bench.run("for i in 1 2 3; do echo $i; sleep 0.3; done", false).await;
    assert_eq!(slow, transcript("1\n2\n3\n", "", 0));
    let size = bench.run("stty size", false).await;
    assert_eq!(size.code, Some(1));
    assert!(String::from_utf8_lossy(&size.err).contains("Inappropriate ioctl"), "{size:?}");

    let mut session = bench.open("true", false).await;
    let mut heard = Vec::new();
    while let Some(word) = session.next().await.expect("no error") {
        heard.push(word);
    }
    assert_eq!(heard, [Heard::Closed(Stream::Out), Heard::Closed(Stream::Err), Heard::Exited(0)]);

    let missing = Session::open(&bench.bed.agent, &bench.task, &["no-such-program"], false).await;
    let missing = missing.expect("it begins").listen().await.expect("no error");
    assert!(missing.code.is_some_and(|code| code == 126 || code == 127), "{missing:?}");
    assert!(String::from_utf8_lossy(&[missing.out, missing.err].concat()).contains("no-such-program"));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_terminal_there_is_one_output_and_it_has_the_users_size() {
    let bench = Bench::new().await;
    assert_eq!(bench.run("echo out; echo err >&2; exit 43", true).await, transcript("out\r\nerr\r\n", "", 43));
    // A reader that looked for frames here would wait for more.
    assert_eq!(
        bench.run("printf '\\001\\000\\000\\000\\000\\000\\001\\000x'", true).await.out,
        b"\x01\0\0\0\0\0\x01\0x"
    );

    let mut session = bench.open("stty size; read line; stty size", true).await;
    session.input.resize(33, 111).await;
    session.input.resize(44, 122).await;
    session.input.beat().await;
    session.input.write("go\n").await;
    let all = within("the sizes", session.listen()).await.expect("no error");
    assert!(String::from_utf8_lossy(&all.out).ends_with("44 122\r\n"), "{all:?}");

    for (input, echo) in [("a\n", "a\r\na\r\n"), ("b", "bb"), ("", "")] {
        let mut session = bench.open("cat; echo end", true).await;
        session.input.write(input).await;
        session.input.close().await;
        let all = within("the end of input", session.listen()).await.expect("no error");
        assert_eq!(all, transcript(&format!("{echo}end\r\n"), "", 0));
    }

    let mut session = bench.open("head -n 1", true).await;
    session.input.write("twice\n").await;
    let all = within("an echo", session.listen()).await.expect("no error");
    assert_eq!(all, transcript("twice\r\ntwice\r\n", "", 0));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn input_arrives_whole_and_ends_with_the_word_for_it() {
    let bench = Bench::new().await;
    let mut session = bench.open("cat; echo end", false).await;
    session.input.write("one\n").await;
    assert_eq!(
        within("an echo", session.next()).await.expect("no error"),
        Some(Heard::Printed(Stream::Out, b"one\n".to_vec()))
    );
    session.input.beat().await;
    session.input.close().await;
    assert_eq!(within("the end", session.listen()).await.expect("no error"), transcript("end\n", "", 0));

    let mut session = bench.open("sha256sum", false).await;
    let input: Vec<u8> = (0..16 * MEBIBYTE).map(|i| (i % 251) as u8).collect();
    let typing = session.input.clone();
    let expected = format!("{}  -\n", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&input)));
    let feeding = tokio::spawn(async move {
        for piece in input.chunks(100_000) {
            typing.write(piece).await;
        }
        typing.close().await;
    });
    assert_eq!(within("the sum", session.listen()).await.expect("no error"), transcript(&expected, "", 0));
    feeding.await.expect("all was typed");

    // Nobody reads it, and nobody minds.
    let mut session = bench.open("exit 5", false).await;
    session.input.write(vec![0; 1 << 20]).await;
    assert_eq!(within("the end", session.listen()).await.expect("no error").code, Some(5));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_of_a_gibibyte_passes_whole_in_little_memory() {
    let bench = Bench::new().await;
    bench.run("true", false).await;
    let before = bench.memory("VmRSS");
    bench.forget_peak();
    let total = 256 * MEBIBYTE;
    let mut session = bench.open(&format!("yes 0123456789abcde | head -c {total}; exit 7"), false).await;
    let (mut length, mut code) = (0_u64, None);
    let pattern = b"0123456789abcde\n";
    while let Some(heard) = within("the next piece", session.next()).await.expect("no error") {
        match heard {
            Heard::Printed(Stream::Out, bytes) => {
                let good = bytes.iter().zip(length..).all(|(byte, at)| *byte == pattern[(at % 16) as usize]);
                assert!(good, "the output differs behind byte {length}");
                length += bytes.len() as u64;
            }
            Heard::Exited(exit) => code = Some(exit),
            other => assert!(matches!(other, Heard::Closed(_)), "{other:?}"),
        }
    }
    assert_eq!((length, code), (total, Some(7)));
    let peak = bench.memory("VmHWM");
    assert!(peak < before + ROOM, "{} MiB before, {} MiB at the peak", before / MEBIBYTE, peak / MEBIBYTE);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_pauses_holds_the_command_up_and_misses_nothing() {
    let bench = Bench::new().await;
    bench.run("true", false).await;
    let before = bench.memory("VmRSS");
    bench.forget_peak();
    let total = 64 * MEBIBYTE;
    let mut session = bench.open(&format!("head -c {total} /dev/zero; touch /local/written"), false).await;
    let Some(Heard::Printed(_, first)) = within("a piece", session.next()).await.expect("no error") else { panic!() };
    bench.runs("head -c").await;
    // Long enough for all of it, were it not held up.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!bench.task.dir.local.join("written").exists(), "the command was not held up");
    let rest = within("the rest", session.listen()).await.expect("no error");
    assert_eq!(((first.len() + rest.out.len()) as u64, rest.code), (total, Some(0)));
    let peak = bench.memory("VmHWM");
    assert!(peak < before + ROOM, "{} MiB before, {} MiB at the peak", before / MEBIBYTE, peak / MEBIBYTE);

    // What fits into all the pipes in between is there for a reader that comes after the end, too.
    let mut late = Vec::new();
    for total in [100_000, 1_000_000, 1_500_000, 3_000_000] {
        late.push((total, bench.open(&format!("head -c {total} /dev/zero; exit 9"), false).await));
    }
    // Longer than the engine waits for a reader when a command has ended.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (total, mut session) in late {
        let all = within("all of it", session.listen()).await.expect("no error");
        assert_eq!((all.out.len(), all.code), (total, Some(9)));
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_command_and_not_with_what_that_left_behind() {
    let bench = Bench::new().await;
    for tty in [false, true] {
        let all = bench.run("trap '' HUP; sleep 541 & echo leader; exit 3", tty).await;
        assert_eq!((String::from_utf8_lossy(&all.out).trim(), all.code), ("leader", Some(3)), "tty: {tty}");
        bench.runs("sleep 541").await;
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_takes_the_command_along() {
    let bench = Bench::new().await;
    for (tty, line) in [(false, "sleep 551"), (true, "sleep 552"), (false, "sleep 553 & sleep 554; echo never")] {
        let session = bench.open(line, tty).await;
        bench.runs("sleep 55").await;
        drop(session);
        bench.gone("sleep 55").await;
    }
    // In the middle of output that nobody takes.
    let mut session = bench.open("yes", false).await;
    within("a piece", session.next()).await.expect("no error");
    drop(session);
    bench.gone("yes").await;

    // A command without streams whose caller leaves, and one that takes too long.
    let agent = Arc::new(bench.bed.agent.process());
    let exec = |seconds: &str, limit: i64| {
        let agent = Arc::clone(&agent);
        let (task_id, command) =
            (bench.task.id(), vec!["sh".to_owned(), "-c".to_owned(), format!("sleep {seconds}; true")]);
        let timeout = Some(prost_types::Duration { seconds: limit, nanos: 0 });
        let request = strongbox::plugin::proto::drivers::ExecTaskRequest { task_id, command, timeout };
        tokio::spawn(async move { agent.driver().exec_task(request).await.map(drop) })
    };
    let left = exec("555", 0);
    bench.runs("sleep 555").await;
    left.abort();
    bench.gone("sleep 555").await;
    let status = within("the limit", exec("556", 1)).await.expect("no panic").expect_err("too long");
    assert!(status.message().contains("was killed"), "{}", status.message());
    bench.gone("sleep 556").await;
    assert_eq!(bench.run("echo alive", false).await.out, b"alive\n");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_leaves_the_task_and_takes_the_commands_along() {
    let bench = Bench::new().await;
    let mut session = bench.open("echo here; sleep 571", true).await;
    within("a word", session.next()).await.expect("no error");
    assert!(bench.bed.agent.shutdown().await, "it ends by itself, and in time");
    let container = &bench.container;
    assert!(!processes(container).contains("sleep 571"), "{}", processes(container));
    bench.bed.relaunch().await;
    bench.task.recover(&bench.bed.agent).await.expect("recovered");
    assert_eq!(bench.run("echo alive", false).await.out, b"alive\n");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_task() {
    let bench = Bench::new().await;
    let mut session = bench.open("echo here; sleep 581", false).await;
    within("a word", session.next()).await.expect("no error");
    bench.task.stop(&bench.bed.agent).await.expect("stopped");
    let all = within("the session's end", session.listen()).await.expect("no error");
    assert_eq!(all.code, Some(137), "{all:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_engine_goes_away_ends_with_the_reason() {
    let proxy = Proxy::new();
    let more = format!("  engine {{\n    socket = \"{}\"\n  }}\n", proxy.socket().display());
    let bench = Bench::with(PathBuf::from(env!("CARGO_BIN_EXE_nomad-driver-strongbox")), &more).await;
    let mut session = bench.open("echo here; sleep 591", false).await;
    within("a word", session.next()).await.expect("no error");
    proxy.down();
    let status = within("the session's end", session.listen()).await.expect_err("cut off");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    proxy.up();
    bench.gone("sleep 591").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_out_of_reach_is_told_in_the_tasks_history() {
    let dir = tempfile::tempdir().expect("a directory");
    let apart = dir.path().join("nomad-driver-strongbox");
    let plugin = env!("CARGO_BIN_EXE_nomad-driver-strongbox");
    // The engine counts processes otherwise than this plugin does.
    let script = format!(
        "#!/bin/sh\nexec unshare --pid --fork --kill-child --mount-proc --propagation shared {plugin} \"$@\"\n"
    );
    fs::write(&apart, script).expect("written");
    fs::set_permissions(&apart, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    let bench = Bench::by(apart).await;
    let session = bench.open("sleep 561", false).await;
    bench.runs("sleep 561").await;
    drop(session);
    let told = bench.bed.agent.feed.wait_for(LIMIT, |event| match event {
        Event::TaskEvent { message, .. } if message.contains("may still run") => Some(()),
        _ => None,
    });
    assert!(told.await.is_some(), "no event came");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let bench = Bench::new().await;
    let setup = |task_id: String, words: &[&str]| {
        let command = words.iter().map(|word| (*word).to_owned()).collect();
        ExecTaskStreamingRequest { setup: Some(Setup { task_id, command, tty: true }), ..Default::default() }
    };
    let size = |height, width| ExecTaskStreamingRequest {
        tty_size: Some(TerminalSize { height, width }),
        ..Default::default()
    };
    let id = || bench.task.id();
    let cat = || setup(id(), &["cat"]);
    assert_eq!(bench.refused(ExecTaskStreamingRequest::default(), vec![]).await, Code::InvalidArgument);
    assert_eq!(bench.refused(setup(id(), &[]), vec![]).await, Code::InvalidArgument);
    assert_eq!(bench.refused(setup(id(), &[""]), vec![]).await, Code::InvalidArgument);
    assert_eq!(bench.refused(setup("no/such/task".into(), &["cat"]), vec![]).await, Code::NotFound);
    assert_eq!(bench.refused(cat(), vec![cat()]).await, Code::InvalidArgument);
    assert_eq!(bench.refused(cat(), vec![size(-1, 80)]).await, Code::InvalidArgument);
    assert_eq!(bench.refused(cat(), vec![size(10_240, 1 << 20)]).await, Code::InvalidArgument);
    bench.gone("cat").await;
    bench.task.stop(&bench.bed.agent).await.expect("stopped");
    assert_eq!(bench.refused(cat(), vec![]).await, Code::FailedPrecondition);
    bench.end().await;
}
