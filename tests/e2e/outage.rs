//! The secrets server goes away and comes back, or takes back what it gave.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{
    bao::{Bao, psql},
    bed::{Bed, LIMIT, Options, inside, until},
    gate::Gate,
    harness::runner::Run,
    jobs::{self, ONE_OF_EACH, SLEEP},
};

/// A bed whose plugin reaches the server through a gate.
async fn gated(bao: Arc<Bao>, more: &str) -> (Bed, Gate) {
    let gate = Gate::before(bao.address()).await;
    let options = Options { more, address: Some(gate.address()), ..Options::default() };
    bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    (Bed::on(bao, &options).await, gate)
}

async fn login_of(bed: &Bed, task: &Run) -> (String, String) {
    let user = bed.sh(task, "cat /run/secrets/db/username").await;
    let password = bed.sh(task, "cat /run/secrets/db/password").await;
    assert_eq!(psql(&user, &password, "select 1").as_deref(), Ok("1"));
    (user, password)
}

/// Says whether the container of the task whose tmpfs is at `mount` would find no file.
fn shows_nothing(mount: &str) -> bool {
    std::fs::read_dir(format!("{mount}/data")).expect("readable").count() == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_could_not_revoke_is_revoked_when_the_server_is_back() {
    let (bed, gate) = gated(Arc::new(Bao::configured()), "").await;
    let (first, second) = (bed.task(&jobs::shell(SLEEP, ONE_OF_EACH)), bed.task(&jobs::shell(SLEEP, ONE_OF_EACH)));
    bed.run(&first).await.expect("it starts");
    bed.run(&second).await.expect("it starts");
    let logins = [login_of(&bed, &first).await, login_of(&bed, &second).await];

    gate.shut().await;
    bed.end(&first).await;
    assert_eq!(bed.containers().len(), 1);
    // The second is stopped and then forgotten by a plugin that dies with the server still away.
    second.stop(&bed.agent).await.expect("stopped");
    bed.anew(None, &[]).await;
    // Whoever comes to it first does it: the plugin that was killed, or the sweeper of the next.
    until("the files are wiped though the server is away", || async {
        bed.mounts().iter().all(|mount| shows_nothing(mount))
    })
    .await;
    assert_eq!(bed.tokens().await.len(), 2, "nothing could be revoked yet");

    gate.open().await;
    until("tokens and leases are dead", || async { bed.tokens().await.is_empty() && bed.leases().await.is_empty() })
        .await;
    for (user, password) in logins {
        assert!(psql(&user, &password, "select 1").is_err(), "the login is gone");
    }
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_shorter_than_the_lives_is_not_seen_by_the_task() {
    let setup = crate::bao::Setup { token_period: "20s".into(), db_ttl: "20s".into(), ..Default::default() };
    let (bed, gate) = gated(Arc::new(Bao::configured_with(&setup)), "").await;
    let script = format!("trap 'echo told >>/local/noted' HUP; {SLEEP}");
    let task =
        bed.task(&jobs::shell(&script, &ONE_OF_EACH.replace("\"noop\"", "\"signal\"\n change_signal = \"SIGHUP\"")));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    let before = (bed.tokens().await, bed.leases().await, inside(&container, "cat /run/secrets/manifest.json"));

    gate.shut().await;
    bed.event(&task, "Secrets server does not answer since", LIMIT).await;
    // Half of the life, in which the renewals come due.
    tokio::time::sleep(Duration::from_secs(10)).await;
    gate.open().await;
    bed.event(&task, "Secrets server answers again", LIMIT).await;

    assert_eq!((bed.tokens().await, bed.leases().await, inside(&container, "cat /run/secrets/manifest.json")), before);
    login_of(&bed, &task).await;
    assert!(!task.dir.local.join("noted").exists(), "nobody was told anything");
    let told = bed.agent.feed.task_events("timeline");
    let about = |text: &str| told.iter().filter(|event| event.contains(text)).count();
    for text in ["does not answer since", "answers again"] {
        assert_eq!(about(text), 1, "{told:#?}");
    }
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_lives_ends_in_one_new_login() {
    let setup = crate::bao::Setup { token_period: "6s".into(), db_ttl: "6s".into(), ..Default::default() };
    let (bed, gate) = gated(Arc::new(Bao::configured_with(&setup)), "").await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");
    let (user, _) = login_of(&bed, &task).await;

    gate.shut().await;
    until("the server has ended what it gave", || async { bed.tokens().await.is_empty() }).await;
    assert_eq!(inside(&container, "cat /run/secrets/db/username"), user, "the last good files stay");
    assert_eq!(inside(&container, "cat /run/secrets/app.env"), "API_KEY=a-key");

    gate.open().await;
    until("a new account is shown", || async { inside(&container, "cat /run/secrets/db/username") != user }).await;
    login_of(&bed, &task).await;
    assert_eq!(bed.tokens().await.len(), 1);
    bed.end(&task).await;
    bed.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_or_a_lease_that_an_operator_revokes_is_replaced_once() {
    let bed = Bed::with_lives("", "12s", "12s").await;
    bed.bao.ok("POST", "kv/data/timeline", Some(json!({ "data": { "api_key": "a-key" } }))).await;
    let task = bed.task(&jobs::shell(SLEEP, ONE_OF_EACH));
    bed.run(&task).await.expect("it starts");
    let container = task.container(&bed.agent).await.expect("a container");

    let (user, _) = login_of(&bed, &task).await;
    let accessor = bed.tokens().await.remove(0);
    bed.bao.ok("POST", "auth/token/revoke-accessor", Some(json!({ "accessor": accessor }))).await;
    until("a new account is shown", || async { inside(&container, "cat /run/secrets/db/username") != user }).await;
    assert_eq!(bed.tokens().await.len(), 1);

    let (user, _) = login_of(&bed, &task).await;
    let token = bed.tokens().await;
    let lease = format!("database/creds/timeline/{}", bed.leases().await.remove(0));
    bed.bao.ok("POST", "sys/leases/revoke", Some(json!({ "lease_id": lease }))).await;
    until("a new account is shown", || async { inside(&container, "cat /run/secrets/db/username") != user }).await;
    assert_eq!(bed.tokens().await, token, "no new login for a lost lease");
    login_of(&bed, &task).await;
    bed.end(&task).await;
    bed.is_clean().await;
}
