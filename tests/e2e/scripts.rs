//! A job's own script runs in the real container after a change.

use std::{fs, path::PathBuf};

use crate::{
    bed::{Bed, LIMIT, docker, until},
    harness::runner::Run,
    jobs, put_word,
};

/// A task with one file that a script is to follow.
struct Scene {
    bed: Bed,
    task: Run,
    container: String,
}

impl Scene {
    async fn new(change_script: &str) -> Self {
        let bed = Bed::new("").await;
        put_word(&bed, "word-0").await;
        let config = format!(
            r#"
        template {{
          destination = "word"
          data        = "{{{{ with secret \"kv/data/timeline\" }}}}{{{{ .Data.data.word }}}}{{{{ end }}}}"
          change_mode = "script"
          splay       = "1s"
          change_script {{
            {change_script}
          }}
        }}"#
        );
        // A user of its own, so that the script's can be told from root.
        let task = bed.task(&jobs::job("strongbox/app:1", jobs::SLEEP, &config));
        bed.run(&task).await.expect("it starts");
        let container = task.container(&bed.agent).await.expect("a container");
        Self { bed, task, container }
    }

    fn local(&self, name: &str) -> PathBuf {
        self.task.dir.local.join(name)
    }

    /// Waits until the script has noted exactly these words.
    async fn has_noted(&self, words: &[&str]) {
        let wanted: String = words.iter().map(|word| format!("{word}\n")).collect();
        let noted = || fs::read_to_string(self.local("noted")).unwrap_or_default();
        until(&format!("{words:?} are noted"), || async { noted() == wanted }).await;
    }

    fn started_at(&self) -> String {
        docker(&["inspect", "-f", "{{.State.StartedAt}}", &self.container])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_runs_first_where_asked_and_after_each_change_as_the_containers_user() {
    let scene = Scene::new(
        r#"command   = "sh"
            args      = ["-c", "id -u >/local/who; cat /run/secrets/word >/dev/stderr; { cat /run/secrets/word; echo; } >>/local/noted"]
            timeout   = "60s"
            first_run = true"#,
    )
    .await;
    let before = scene.started_at();
    scene.has_noted(&["word-0"]).await;
    put_word(&scene.bed, "word-1").await;
    scene.has_noted(&["word-0", "word-1"]).await;
    let told = scene.bed.event(&scene.task, "renewed, generation", LIMIT).await;
    assert!(told.contains("script \"sh\" run") && !told.contains("word-1"), "{told}");
    assert_eq!(fs::read_to_string(scene.local("who")).expect("noted"), "10001\n");
    // The next process owes nothing, least of all a first run.
    scene.bed.anew(None, &[&scene.task]).await;
    put_word(&scene.bed, "word-2").await;
    scene.has_noted(&["word-0", "word-1", "word-2"]).await;
    assert_eq!(scene.started_at(), before, "the container is not touched");
    let lines = scene.bed.agent.feed.lines("timeline");
    assert!(lines.iter().all(|line| !line.contains("word-")), "what a script prints is kept nowhere: {lines:?}");
    scene.bed.end(&scene.task).await;
    scene.bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_hangs_or_fails_is_told_and_the_task_goes_on() {
    let scene = Scene::new(
        r#"command = "sh"
            args    = ["-c", "[ $(cat /run/secrets/word) = word-1 ] && exec sleep 4321; exit 7"]
            timeout = "5s""#,
    )
    .await;
    put_word(&scene.bed, "word-1").await;
    scene.bed.event(&scene.task, "script \"sh\" failed: not done within 5s", LIMIT).await;
    let hangs = || docker(&["top", &scene.container]).contains("sleep 4321");
    until("the script is ended", || async { !hangs() }).await;
    put_word(&scene.bed, "word-2").await;
    scene.bed.event(&scene.task, "script \"sh\" failed: exit code 7", LIMIT).await;
    assert_eq!(scene.bed.sh(&scene.task, "cat /run/secrets/word").await, "word-2", "the task goes on");
    scene.bed.end(&scene.task).await;
    scene.bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_script_fails_ends_where_the_job_says_so() {
    let scene = Scene::new(
        r#"command       = "sh"
            args          = ["-c", "exit 7"]
            timeout       = "60s"
            fail_on_error = true"#,
    )
    .await;
    put_word(&scene.bed, "word-1").await;
    let ended = tokio::time::timeout(2 * LIMIT, scene.task.wait(&scene.bed.agent)).await.expect("it ends");
    let (_, why) = ended.expect("an end");
    assert!(why.contains("script \"sh\" failed: exit code 7; its fail_on_error ends the task"), "{why}");
    scene.task.destroy(&scene.bed.agent, false).await.expect("destroyed");
    scene.bed.is_clean().await;
}
