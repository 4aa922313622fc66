//! Tasks that end at once, or will not end.

use std::time::Duration;

use crate::{
    bed::{Bed, LIMIT},
    jobs,
};

const DB: &str = "secret \"db\" { path = \"database/creds/timeline\" }";

#[tokio::test(flavor = "multi_thread")]
async fn the_output_and_the_exit_code_of_a_task_of_an_instant_are_complete() {
    let bed = Bed::new("").await;
    for code in [0, 3] {
        let script = format!("i=0; while [ $i -lt 200 ]; do echo {code} line $i; i=$((i+1)); done; exit {code}");
        let task = bed.task(&jobs::shell(&script, DB));
        bed.run(&task).await.expect("it starts");
        let (exit, _) = task.wait(&bed.agent).await.expect("an end");
        assert_eq!((exit.exit_code, exit.signal, exit.oom_killed), (code, 0, false));
        // What was written before the end is told has been read by the agent's collector a moment later.
        let last = format!("{code} line 199");
        let seen = bed.agent.feed.wait_for(LIMIT, |event| match event {
            crate::harness::feed::Event::TaskLog { line, .. } if *line == last => Some(()),
            _ => None,
        });
        seen.await.expect("the last line");
        let expected: Vec<String> = (0..200).map(|n| format!("{code} line {n}")).collect();
        let lines = bed.agent.feed.lines("timeline");
        let ours: Vec<String> = lines.into_iter().filter(|line| line.starts_with(&format!("{code} "))).collect();
        assert_eq!(ours, expected);
        task.destroy(&bed.agent, false).await.expect("destroyed");
    }
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ignores_the_stop_is_killed_when_its_time_is_over() {
    let bed = Bed::new("").await;
    let task = bed.task(&jobs::shell("trap '' TERM; touch /local/ready; while :; do sleep 1; done", DB));
    bed.run(&task).await.expect("it starts");
    crate::bed::until("the script is ready", || async { task.dir.local.join("ready").exists() }).await;
    task.stop_within(&bed.agent, Duration::from_secs(1)).await.expect("stopped");
    let (exit, _) = task.wait(&bed.agent).await.expect("an end");
    assert_eq!((exit.exit_code, exit.signal), (137, 9));
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn want_of_memory_is_told_and_ends_the_credentials() {
    let bed = Bed::new("").await;
    let body = format!(
        r#"
      config {{
        image   = "strongbox/busybox:1"
        command = "sh"
        args    = ["-c", "until [ -e /local/go ]; do sleep 0.1; done; x=a; while :; do x=$x$x; done"]
        {DB}
      }}
      resources {{
        cpu    = 100
        memory = 16
      }}"#
    );
    let task = bed.task(&jobs::with_task(&body));
    bed.run(&task).await.expect("it starts");
    std::fs::write(task.dir.local.join("go"), "").expect("written");
    let (exit, _) = tokio::time::timeout(LIMIT, task.wait(&bed.agent)).await.expect("in time").expect("an end");
    assert_eq!((exit.exit_code, exit.oom_killed), (137, true));
    task.destroy(&bed.agent, false).await.expect("destroyed");
    bed.is_clean().await;
}
