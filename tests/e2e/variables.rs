//! Values as variables of a task's process: the process has them, and nobody who asks the engine.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{
    bed::{Bed, docker, inside, until},
    jobs,
};

/// What the operator has to say for it.
const ALLOWED: &str = r#"delivery {
    allow_env = true
  }
  logging {
    redact = false
  }
  allow {
    job     = "timeline"
    deliver = ["env"]
  }"#;
const CANARY: &str = "canary-5e7b1f";
const SECRET: &str = "secret \"app\" {\n path = \"kv/data/timeline\"\n env = true\n change_mode = \"restart\"\n }";

async fn put(bed: &Bed, value: &str) {
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "API_KEY": value } }))).await;
}

/// Waits for a line of the task's and returns what follows its head.
async fn word(bed: &Bed, head: &str) -> String {
    let said = || {
        bed.agent.feed.lines("timeline").into_iter().rev().find_map(|line| Some(line.strip_prefix(head)?.to_owned()))
    };
    until(head, || async { said().is_some() }).await;
    said().expect("said")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_has_the_value_and_the_engine_never_saw_it() {
    let bed = Bed::new(ALLOWED).await;
    put(&bed, CANARY).await;
    let script = "trap 'echo got=TERM; exit 7' TERM; echo key=$API_KEY; echo job=$COLOUR; echo pid=$$ $(tr '\\0' ' ' </proc/1/cmdline | cut -c1-5); \
                  touch /local/up; while :; do sleep 1 & wait $!; done";
    let task = bed.task(&jobs::with_task(&format!(
        "env {{\n COLOUR = \"blue\"\n }}\n config {{\n image = \"strongbox/busybox:1\"\n command = \"sh\"\n args = [\"-c\", {script:?}]\n {SECRET}\n }}"
    )));
    bed.run(&task).await.expect("it starts");
    assert_eq!(word(&bed, "key=").await, CANARY);
    assert_eq!(word(&bed, "job=").await, "blue");
    assert_eq!(word(&bed, "pid=").await, "1 sh -c", "the program is the first process, and bears its own name");
    let container = bed.containers().remove(0);
    assert!(inside(&container, "tr '\\0' '\\n' </proc/1/environ").contains(CANARY));
    let seen = docker(&["inspect", &container]);
    assert!(!seen.contains(CANARY) && seen.contains("/.strongbox/launch"), "{seen}");
    let data = docker(&["info", "-f", "{{.DockerRootDir}}"]);
    let kept = Command::new("grep")
        .args(["-rl", CANARY, &format!("{data}/containers/{container}")])
        .output()
        .expect("grep runs");
    let kept = String::from_utf8_lossy(&kept.stdout).into_owned();
    // The task prints the value itself, so its output has it; nothing else does.
    assert!(kept.lines().all(|file| file.ends_with(".log")), "{kept}");
    let state = Command::new("grep").args(["-rl", CANARY]).arg(bed.state_dir()).output().expect("grep runs");
    assert!(state.stdout.is_empty(), "{}", String::from_utf8_lossy(&state.stdout));
    task.stop_within(&bed.agent, std::time::Duration::from_secs(20)).await.expect("stopped");
    let (exit, _) = task.wait(&bed.agent).await.expect("an end");
    assert_eq!((exit.exit_code, exit.signal), (7, 0), "the program got the signal");
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_a_change_gives_the_new_value() {
    let bed = Bed::new(ALLOWED).await;
    put(&bed, "first").await;
    let task = bed.task(&jobs::shell("echo key=$API_KEY; while :; do sleep 1; done", SECRET));
    bed.run(&task).await.expect("it starts");
    assert_eq!(word(&bed, "key=").await, "first");
    put(&bed, "second").await;
    until("the new value is there", || async { word(&bed, "key=").await == "second" }).await;
    task.destroy(&bed.agent, true).await.expect("destroyed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_one_file_and_a_template_do() {
    let bed = Bed::new(ALLOWED).await;
    put(&bed, CANARY).await;
    let image = OneFile::make();
    let body = format!(
        r#"
      config {{
        image   = "{}"
        command = "/busybox"
        args    = ["env"]
        template {{
          destination = "app.env"
          data        = "{{{{ with secret \"kv/data/timeline\" }}}}export KEY='{{{{ .Data.data.API_KEY }}}}' # of the app{{{{ end }}}}"
          env         = true
        }}
      }}"#,
        image.0
    );
    let task = bed.task(&jobs::with_task(&body));
    bed.run(&task).await.expect("it starts");
    assert_eq!(word(&bed, "KEY=").await, CANARY);
    assert_eq!(task.wait(&bed.agent).await.expect("an end").0.exit_code, 0);
    task.destroy(&bed.agent, false).await.expect("destroyed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_missing_or_no_program_ends_as_with_the_engine() {
    let bed = Bed::new(ALLOWED).await;
    put(&bed, CANARY).await;
    for (program, code, told) in [
        ("no-such-program", 127, "executable file not found in $PATH"),
        ("/no/such/program", 127, "No such file"),
        ("/etc/passwd", 126, "Permission denied"),
    ] {
        let body = format!("config {{\n image = \"strongbox/busybox:1\"\n command = {program:?}\n {SECRET}\n }}");
        let task = bed.task(&jobs::with_task(&body));
        bed.run(&task).await.expect("it starts");
        assert_eq!(task.wait(&bed.agent).await.expect("an end").0.exit_code, code, "{program}");
        let said =
            || bed.agent.feed.lines("timeline").into_iter().any(|line| line.contains(program) && line.contains(told));
        until(told, || async { said() }).await;
        task.destroy(&bed.agent, false).await.expect("destroyed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_operators_two_words_there_are_no_variables() {
    let job = jobs::shell("sleep 1000", SECRET);
    for (more, told) in [("", "delivery.allow_env"), ("delivery {\n    allow_env = true\n  }", "delivery \"env\"")] {
        let bed = Bed::new(more).await;
        let refused = bed.run(&bed.task(&job)).await.expect_err("refused");
        assert!(refused.message().contains(told), "{}", refused.message());
        assert!(bed.containers().is_empty() && bed.mounts().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_decides_what_runs_is_refused_and_nothing_is_left() {
    let bed = Bed::new(ALLOWED).await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "LD_PRELOAD": CANARY } }))).await;
    let refused = bed.run(&bed.task(&jobs::shell("sleep 1000", SECRET))).await.expect_err("refused");
    assert!(refused.message().contains("LD_PRELOAD") && !refused.message().contains(CANARY), "{}", refused.message());
    bed.is_clean().await;
}

/// An image that holds one static program and nothing else.
struct OneFile(String);

impl OneFile {
    fn make() -> Self {
        let name = format!("strongbox-test/one-file-{}:1", hex::encode(rand::random::<[u8; 6]>()));
        let mut archive = tar::Builder::new(Vec::new());
        archive
            .append_path_with_name("/bin/busybox", "busybox")
            .expect("busybox-static is installed; run `make setup`");
        let bytes = archive.into_inner().expect("an archive");
        let mut import = Command::new("docker")
            .args(["import", "-", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("docker runs");
        import.stdin.take().expect("a pipe").write_all(&bytes).expect("written");
        assert!(import.wait().expect("it ends").success());
        Self(name)
    }
}

impl Drop for OneFile {
    fn drop(&mut self) {
        Command::new("docker").args(["rmi", "-f", &self.0]).output().ok();
    }
}
