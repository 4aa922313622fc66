//! What a job says about the end of a credential, on the real server and the real engine.

use std::{fs, sync::Arc};

use serde_json::json;

use crate::{
    bao::{Bao, Setup, openssl, psql},
    bed::{Bed, LIMIT, Options, docker, until},
    gate::Gate,
    harness::runner::Run,
    jobs,
};

/// Notes at each `SIGHUP` whether the account's name is there.
const NOTE: &str = "trap 'if [ -e /run/secrets/db/username ]; then echo there; else echo gone; fi >>/local/noted' HUP; \
    trap 'exit 0' TERM; touch /local/ready; while :; do sleep 1 & wait $!; done";

/// A task that holds an account for ten seconds at a time.
struct Scene {
    bed: Bed,
    gate: Gate,
    task: Run,
    container: String,
}

impl Scene {
    /// `policy` stands in the block of the account.
    async fn new(policy: &str) -> Self {
        let setup = Setup { token_period: "10s".into(), db_ttl: "10s".into(), ..Setup::default() };
        let bao = Arc::new(Bao::configured_with(&setup));
        bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
        let gate = Gate::before(bao.address()).await;
        let bed = Bed::on(bao, &Options { address: Some(gate.address()), ..Options::default() }).await;
        let config = format!(
            r#"
        secret "db" {{
          path          = "database/creds/timeline"
          change_mode   = "signal"
          change_signal = "SIGHUP"
          splay         = "0s"
          {policy}
        }}
        template {{
          destination = "app.env"
          data        = "API_KEY={{{{ with secret \"kv/data/timeline\" }}}}{{{{ .Data.data.api_key }}}}{{{{ end }}}}"
          change_mode = "noop"
        }}"#
        );
        let task = bed.task(&jobs::shell(NOTE, &config));
        bed.run(&task).await.expect("it starts");
        let container = task.container(&bed.agent).await.expect("a container");
        let scene = Self { bed, gate, task, container };
        until("the script is ready", || async { scene.task.dir.local.join("ready").exists() }).await;
        scene
    }

    /// Returns what the task's file holds, as root sees it.
    fn shown(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.bed.ram().join("data").join(name)).ok()
    }

    fn account(&self) -> Option<(String, String)> {
        Some((self.shown("db/username")?, self.shown("db/password")?))
    }

    fn logs_in(&self) -> bool {
        self.account().is_some_and(|(user, password)| psql(&user, &password, "select 1").is_ok())
    }

    fn last_noted(&self) -> String {
        let noted = fs::read_to_string(self.task.dir.local.join("noted")).unwrap_or_default();
        noted.lines().last().unwrap_or_default().to_owned()
    }

    fn started_at(&self) -> String {
        docker(&["inspect", "-f", "{{.State.StartedAt}}", &self.container])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_account_that_has_ended_go_and_a_new_one_brings_them_back() {
    let scene = Scene::new("on_outage = \"degrade\"").await;
    let before = scene.started_at();
    scene.gate.shut().await;
    until("the files go", || async { scene.account().is_none() }).await;
    until("the task is told", || async { scene.last_noted() == "gone" }).await;
    scene.bed.event(&scene.task, "has ended without renewal: the files made of it are removed", LIMIT).await;
    assert_eq!(scene.shown("app.env").as_deref(), Some("API_KEY=a-key"), "what does not end stays");
    until("the server has ended what it lent", || async { scene.bed.leases().await.is_empty() }).await;

    scene.gate.open().await;
    until("a new account logs in", || async { scene.logs_in() }).await;
    until("the task is told", || async { scene.last_noted() == "there" }).await;
    assert_eq!(scene.started_at(), before, "the container is not touched");
    scene.bed.end(&scene.task).await;
    scene.bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_ends_once_its_account_and_the_grace_are_over() {
    let scene = Scene::new("on_outage = \"stop\"\n outage_grace = \"4s\"").await;
    scene.gate.shut().await;
    let ended = tokio::time::timeout(2 * LIMIT, scene.task.wait(&scene.bed.agent)).await.expect("it ends");
    let (_, why) = ended.expect("an end");
    assert!(why.contains("database/creds/timeline has ended") && why.contains("on_outage says stop"), "{why}");
    scene.bed.event(&scene.task, "the task is ended in 4s unless it can be replaced", LIMIT).await;
    scene.task.destroy(&scene.bed.agent, false).await.expect("destroyed");
    scene.gate.open().await;
    scene.bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_back_within_the_grace_ends_nothing() {
    let scene = Scene::new("on_outage = \"stop\"\n outage_grace = \"10m\"").await;
    let (before, account) = (scene.started_at(), scene.account());
    scene.gate.shut().await;
    scene.bed.event(&scene.task, "the task is ended in 600s unless it can be replaced", LIMIT).await;
    assert_eq!(scene.account(), account, "the last good files stay until then");
    scene.gate.open().await;
    until("a new account logs in", || async { scene.account() != account && scene.logs_in() }).await;
    assert_eq!(scene.started_at(), before, "the container is not touched");
    scene.bed.end(&scene.task).await;
    scene.bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_server_is_an_outage_in_which_certificates_and_files_stay() {
    let bed = Bed::new("").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    let task = bed.task(&jobs::shell(jobs::SLEEP, jobs::ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let all = "cat /run/secrets/app.env /run/secrets/db/* /run/secrets/server/*";
    let before = bed.sh(&task, all).await;
    let key = unseal_key(&bed.bao);
    bed.bao.ok("PUT", "sys/seal", None).await;
    bed.event(&task, "Secrets server does not answer since", LIMIT).await;
    assert_eq!(bed.sh(&task, all).await, before);
    bed.bao.ok("PUT", "sys/unseal", Some(json!({ "key": key }))).await;
    bed.event(&task, "Secrets server answers again", 2 * LIMIT).await;
    assert_eq!(bed.sh(&task, all).await, before);
    let cert = bed.ram().join("data/server/cert.pem").display().to_string();
    assert!(openssl(&["x509", "-in", &cert, "-noout", "-checkend", "60"]).contains("will not expire"));
    bed.end(&task).await;
    bed.is_clean().await;
}

/// Returns the key that a server for tests prints when it starts.
fn unseal_key(bao: &Bao) -> String {
    let log = fs::read_to_string(bao.dir().join("server.log")).expect("a log");
    let key = log.lines().find_map(|line| line.trim().strip_prefix("Unseal Key:").map(|key| key.trim().to_owned()));
    key.expect("an unseal key in the log")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_secret_restarts_or_ends_its_task_as_the_job_says() {
    let bed = Bed::new("").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "word": "one" } }))).await;
    let block = |policy: &str| {
        format!("secret \"app\" {{\n path = \"kv/data/timeline\"\n splay = \"0s\"\n on_denied = \"{policy}\"\n }}")
    };
    let note = format!("ls /run/secrets >>/local/starts; {}", jobs::SLEEP);
    let restarted = bed.task(&jobs::shell(&note, &block("restart")));
    let stopped = bed.task(&jobs::shell(jobs::SLEEP, &block("stop")));
    bed.run(&restarted).await.expect("it starts");
    bed.run(&stopped).await.expect("it starts");
    let denied = "path \"kv/data/timeline\" { capabilities = [\"deny\"] }";
    bed.bao.ok("PUT", "sys/policies/acl/timeline", Some(json!({ "policy": denied }))).await;

    let ended = tokio::time::timeout(2 * LIMIT, stopped.wait(&bed.agent)).await.expect("it ends");
    let (_, why) = ended.expect("an end");
    assert!(why.contains("denied or deleted, and the job says stop"), "{why}");
    let starts = || fs::read_to_string(restarted.dir.local.join("starts")).unwrap_or_default();
    until("the other starts without it", || async { starts() == "app\nmanifest.json\nmanifest.json\n" }).await;
    stopped.destroy(&bed.agent, false).await.expect("destroyed");
    bed.end(&restarted).await;
    bed.is_clean().await;
}
