//! The plugin is killed behind each line of its journal, over a task's whole life: those that it waits for and those that
//! it only hands over.

use serde_json::json;

use crate::{
    bed::{Bed, until},
    harness::runner::Run,
    jobs::{self, ONE_OF_EACH, SLEEP},
};

/// More lines than a life has: who comes so far has a test that never ends.
const MOST: u32 = 60;

/// Lives one whole life, or what of it there is before the plugin dies. Says whether it got to the end.
async fn live(bed: &Bed, task: &Run) -> bool {
    if bed.run(task).await.is_err() || task.stop(&bed.agent).await.is_err() || task.wait(&bed.agent).await.is_err() {
        return false;
    }
    task.destroy(&bed.agent, true).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_behind_any_line_of_the_journal_leaves_nothing_alive_on_the_server() {
    // A token of which no process heard dies by this time.
    let refresh = "refresh {\n kv_poll = \"1s\"\n quiet = \"100ms\"\n longest = \"2s\"\n reap_after = \"2s\"\n }";
    let bed = Bed::with_lives(refresh, "8s", "10s").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    for (point, least) in [("journal-appended", 6), ("journal-noted", 3)] {
        let deaths = die_behind_each_line(&bed, point).await;
        assert!((least..MOST).contains(&deaths), "{deaths} deaths at {point}");
    }
    bed.anew(None, &[]).await;
    bed.is_clean().await;
    bed.kill_9().await;
    let settings = strongbox::journal::Settings { state_dir: bed.state_dir() };
    let journal = strongbox::journal::Journal::open(&settings).expect("the journal");
    assert_eq!(journal.open_tasks(), []);
}

/// Dies at the first passage of a point, then at the second, until a life has no more of them; returns how often.
async fn die_behind_each_line(bed: &Bed, point: &str) -> u32 {
    for line in 1..=MOST {
        let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
        bed.anew(Some(&format!("{point}:{line}")), &[]).await;
        if !live(bed, &task).await {
            bed.is_dead(&format!("{point}:{line}")).await;
            continue;
        }
        let process = bed.agent.process();
        until("it dies or is done", || async { process.is_dead() || nothing_is_left(bed).await }).await;
        if !process.is_dead() {
            return line - 1;
        }
    }
    MOST
}

/// Says whether nothing of any task is left, of this life or of those before.
async fn nothing_is_left(bed: &Bed) -> bool {
    bed.containers().is_empty() && bed.mounts().is_empty() && bed.tokens().await.is_empty()
}
