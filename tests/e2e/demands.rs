//! What an operator asks of a running task by a signal's name, on real parts.

use std::fs;

use serde_json::json;

use crate::{
    bao::psql,
    bed::{Bed, until},
    harness::runner::Run,
    jobs,
};

/// So long that nothing happens by itself within a test.
const SLOW: &str = "refresh {\n kv_poll = \"10m\"\n quiet = \"1m\"\n longest = \"2m\"\n reap_after = \"5s\"\n }";

/// Notes each signal.
const HEARS: &str = "trap 'echo hup >>/local/told' HUP; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

/// One of each, told by the same signal.
const EACH: &str = r#"
        certificate "server" {
          change_mode   = "signal"
          change_signal = "SIGHUP"
          splay         = "0s"
        }
        secret "db" {
          path          = "database/creds/timeline"
          change_mode   = "signal"
          change_signal = "SIGHUP"
          splay         = "0s"
        }
        template {
          destination   = "app.env"
          data          = "API_KEY={{ with secret \"kv/data/timeline\" }}{{ .Data.data.api_key }}{{ end }}"
          change_mode   = "signal"
          change_signal = "SIGHUP"
          splay         = "0s"
        }"#;

/// What the task sees.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    user: String,
    password: String,
    certificate: String,
    env: String,
}

impl Seen {
    async fn of(bed: &Bed, task: &Run) -> Self {
        let read = |name: &str| format!("cat /run/secrets/{name}");
        Self {
            user: bed.sh(task, &read("db/username")).await,
            password: bed.sh(task, &read("db/password")).await,
            certificate: bed.sh(task, &read("server/cert.pem")).await,
            env: bed.sh(task, &read("app.env")).await,
        }
    }

    fn logs_in(&self) -> bool {
        psql(&self.user, &self.password, "select 1").is_ok()
    }
}

async fn set_key(bed: &Bed, key: &str) {
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": key } }))).await;
}

fn told(task: &Run) -> usize {
    fs::read_to_string(task.dir.local.join("told")).unwrap_or_default().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_on_demand_replaces_all_at_once_tells_the_container_once_and_ends_the_old() {
    let bed = Bed::with_lives(SLOW, "1h", "1h").await;
    set_key(&bed, "first").await;
    let task = bed.task(&jobs::shell(HEARS, EACH));
    bed.run(&task).await.expect("it starts");
    let old = Seen::of(&bed, &task).await;
    assert!(old.logs_in());

    set_key(&bed, "second").await;
    task.signal(&bed.agent, "STRONGBOX_ROTATE").await.expect("done");
    let new = Seen::of(&bed, &task).await;
    assert!(new.user != old.user && new.certificate != old.certificate, "{new:?}");
    assert_eq!(new.env, "API_KEY=second");
    until("the old login is dead", || async { !old.logs_in() }).await;
    assert!(new.logs_in());
    // The old login ends only after the container was told; its shell writes that down when it comes to it.
    until("the container is told", || async { told(&task) == 1 }).await;

    set_key(&bed, "third").await;
    task.signal(&bed.agent, "STRONGBOX_RENDER").await.expect("done");
    let looked = Seen::of(&bed, &task).await;
    assert_eq!(looked, Seen { env: "API_KEY=third".to_owned(), ..new.clone() });
    until("the container is told", || async { told(&task) == 2 }).await;
    assert!(new.logs_in());

    let unknown = task.signal(&bed.agent, "STRONGBOX_RELOAD").await.expect_err("no such word");
    assert!(unknown.message().contains("is unknown"), "{unknown}");
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demand_on_a_task_without_secrets_is_answered_in_a_sentence() {
    let bed = Bed::new("").await;
    let task = bed.task(&jobs::shell(jobs::SLEEP, ""));
    bed.run(&task).await.expect("it starts");
    let error = task.signal(&bed.agent, "STRONGBOX_ROTATE").await.expect_err("nothing there");
    assert!(error.message().contains("has no secrets, certificates or templates"), "{error}");
    bed.end(&task).await;
    bed.is_clean().await;
}
