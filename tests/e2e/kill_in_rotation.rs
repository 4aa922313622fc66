//! The plugin is killed while it shows new secrets.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    bed::{Bed, until},
    harness::runner::Run,
    jobs, put_word, times,
};

/// Two files of one secret, so that a mixed set would show.
fn two_files(change: &str) -> String {
    let file = |name: &str| {
        format!(
            r#"
        template {{
          destination = "{name}"
          data        = "{{{{ with secret \"kv/data/timeline\" }}}}{{{{ .Data.data.word }}}}{{{{ end }}}}"
          {change}
        }}"#
        )
    };
    [file("one"), file("two")].concat()
}

/// Reads both files out of the one generation that is shown, without the plugin.
const READ: &str = "cd -P /run/secrets/..data && cat one && echo && cat two";

/// Notes each `SIGHUP` with the word that is shown when it comes.
const NOTE_SIGNALS: &str = "trap 'cat /run/secrets/one >>/local/noted; echo >>/local/noted' HUP; \
    trap 'exit 0' TERM; touch /local/ready; while :; do sleep 0.1; done";
/// Notes each start with the word that is shown.
const NOTE_STARTS: &str = "trap 'exit 0' TERM; cat /run/secrets/one >>/local/noted; echo >>/local/noted; \
    touch /local/ready; while :; do sleep 0.1; done";

/// A task whose secret changes.
struct Scene {
    bed: Bed,
    task: Run,
    container: String,
    changes: u32,
}

impl Scene {
    async fn new(script: &str, change: &str) -> Self {
        let bed = Bed::new("").await;
        put_word(&bed, "word-0").await;
        let task = bed.task(&jobs::shell(script, &two_files(change)));
        bed.run(&task).await.expect("it starts");
        let container = task.container(&bed.agent).await.expect("a container");
        let scene = Self { bed, task, container, changes: 0 };
        until("the script is ready", || async { scene.local("ready").exists() }).await;
        scene
    }

    fn local(&self, name: &str) -> PathBuf {
        self.task.dir.local.join(name)
    }

    /// Returns how often the task was told while it saw `word`.
    fn told(&self, word: &str) -> usize {
        fs::read_to_string(self.local("noted")).unwrap_or_default().lines().filter(|line| *line == word).count()
    }

    /// Changes the secret under a plugin that dies at `step`; checks what a reader and the task see then and after the
    /// next process has taken over.
    async fn change_and_die_at(&mut self, step: &str, is_published: bool) {
        let old = format!("word-{}", self.changes);
        self.changes += 1;
        let new = format!("word-{}", self.changes);
        self.bed.anew(Some(step), &[&self.task]).await;
        put_word(&self.bed, &new).await;
        self.bed.is_dead(step).await;

        let shown = if is_published { &new } else { &old };
        if let Some(read) = read(&self.container) {
            assert_eq!(read, format!("{shown}\n{shown}"), "at {step}");
        }
        if !is_published {
            assert_eq!(self.told(&new), 0, "told before it was there, at {step}");
        }

        self.bed.anew(None, &[&self.task]).await;
        until("the new set is shown and told", || async {
            self.told(&new) > 0 && read(&self.container).is_some_and(|read| read == format!("{new}\n{new}"))
        })
        .await;
        self.bed.event(&self.task, &format!("generation {}", self.changes + 1), crate::bed::LIMIT).await;
        // A process that dies between the event and this would act a second time, and meet the next step too early.
        until("the action is settled", || async { self.owes_nothing() }).await;
    }

    /// Says whether the task's record has no action that is still owed.
    fn owes_nothing(&self) -> bool {
        let records = self.bed.mounts().into_iter().map(|mount| PathBuf::from(mount).join("record"));
        let mut texts = records.filter_map(|record| fs::read_to_string(record).ok());
        texts.any(|text| text.contains("\"owed\":null"))
    }

    /// Ends the task after all changes; each must have been told once or twice.
    async fn end(self) {
        assert_eq!(self.task.container(&self.bed.agent).await.expect("a container"), self.container);
        for change in 1..=self.changes {
            let told = self.told(&format!("word-{change}"));
            assert!((1..=2).contains(&told), "change {change} was told {told} times");
        }
        self.bed.end(&self.task).await;
        self.bed.is_clean().await;
    }
}

/// Reads both files in the container and without the plugin; nothing while the container stands still.
fn read(container: &str) -> Option<String> {
    let output = Command::new("docker").args(["exec", container, "sh", "-c", READ]).output().expect("docker runs");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_rotation_shows_whole_sets_and_loses_no_signal() {
    let change = "change_mode = \"signal\"\n change_signal = \"SIGHUP\"";
    let mut scene = Scene::new(NOTE_SIGNALS, change).await;
    let steps = [
        ("before-flip", false),
        ("tmpfs-filled", false),
        ("tmpfs-switched", true),
        ("after-flip", true),
        ("before-act", true),
        ("after-act", true),
    ];
    for _ in 0..times("KILL_ROUNDS", 1) {
        for (step, is_published) in steps {
            scene.change_and_die_at(step, is_published).await;
        }
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_restart_ends_in_a_running_task() {
    let mut scene = Scene::new(NOTE_STARTS, "change_mode = \"restart\"").await;
    for _ in 0..times("KILL_ROUNDS", 1) {
        for step in ["after-flip", "before-act", "restart-stopped", "after-act"] {
            scene.change_and_die_at(step, true).await;
        }
    }
    scene.end().await;
}
