//! A server that is away: what is told, what is removed, what ends, and in which order things go on.

use super::{
    changes::{heard, overhear},
    *,
};
use crate::domain::OnOutage;

/// A bench whose database lends for `millis`, with the policy on the secret's block.
fn lending(bench: &Bench, millis: u64, on_outage: OnOutage) -> TaskSpec {
    let fields = json!({ "username": "user-{n}", "password": "word-{n}" });
    bench.vault.lend(DB, fields, Duration::from_millis(millis));
    let mut spec = bench.spec("1");
    spec.secrets[0].upkeep.on_outage = on_outage;
    spec
}

#[tokio::test]
async fn an_outage_is_told_once_at_its_begin_and_once_at_its_end() {
    let bench = Bench::new();
    let driver = bench.driver();
    let events = overhear(&driver);
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    bench.vault.fail(Some(Kind::Unavailable));
    until("it is told", || !heard(&events, "does not answer since").is_empty()).await;
    let before = bench.vault.count("read");
    until("it is tried again and again", || bench.vault.count("read") >= before + 3).await;
    bench.vault.fail(None);
    until("the return is told", || !heard(&events, "answers again").is_empty()).await;
    let told = heard(&events, "");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("what is held stays: Secret database/creds/shop until 20"), "{told:?}");
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn by_default_the_last_good_files_outlive_their_credential() {
    let bench = Bench::new();
    let driver = bench.driver();
    let events = overhear(&driver);
    let spec = lending(&bench, 3000, OnOutage::Keep);
    driver.start(spec.clone()).await.expect("it starts");
    bench.vault.fail(Some(Kind::Sealed));
    until("the warning", || !heard(&events, "cannot be renewed and ends at").is_empty()).await;
    until("the end", || !heard(&events, "has ended without renewal: the last good files stay").is_empty()).await;
    assert_eq!(bench.file(&spec, "db/password"), "word-1");
    bench.vault.fail(None);
    until("the return", || !heard(&events, "Secret database/creds/shop is fresh again").is_empty()).await;
    for text in ["ends at", "has ended", "fresh again", "answers again"] {
        assert_eq!(heard(&events, text).len(), 1, "{text}: {:?}", heard(&events, ""));
    }
    assert_eq!(bench.engine.starts(&bench.engine.running()[0]), 1, "the container is not touched");
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn files_of_what_has_ended_go_and_come_back_where_the_job_says_so() {
    let bench = Bench::new();
    let driver = bench.driver();
    let spec = lending(&bench, 1500, OnOutage::Degrade);
    driver.start(spec.clone()).await.expect("it starts");
    let container = bench.engine.running()[0].clone();
    bench.vault.fail(Some(Kind::Unavailable));
    until("the container is told", || bench.engine.starts(&container) == 2).await;
    let password = bench.path("run/tasks").join(spec.meta.id.key().as_str()).join("data/db/password");
    assert!(!password.exists());
    assert_eq!(bench.file(&spec, "app.env"), "KEY=first", "the rest of the set stays");

    bench.vault.fail(None);
    until("the container is told", || bench.engine.starts(&container) == 3).await;
    assert!(bench.file(&spec, "db/password").starts_with("word-"));
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_task_ends_as_failed_after_the_grace_where_the_job_says_so() {
    let bench = Bench::new();
    let driver = bench.driver();
    let events = overhear(&driver);
    let spec = lending(&bench, 1500, OnOutage::Stop { grace: Duration::from_millis(300) });
    driver.start(spec.clone()).await.expect("it starts");
    bench.vault.fail(Some(Kind::Unavailable));
    let exit = driver.wait(&spec.meta.id).await.expect("an end");
    let why = exit.message.expect("a reason");
    assert!(why.contains("Secret database/creds/shop has ended") && why.contains("on_outage says stop"), "{why}");
    assert_eq!(heard(&events, "the task is ended in 300ms").len(), 1, "{:?}", heard(&events, ""));
    bench.vault.fail(None);
    driver.destroy(&spec.meta.id, false).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn what_ended_while_no_process_was_there_is_asked_for_before_any_policy_counts() {
    let bench = Bench::new();
    let spec = lending(&bench, 300, OnOutage::Stop { grace: Duration::ZERO });
    let first = bench.driver();
    let state = first.start(spec.clone()).await.expect("it starts").state;
    let container = bench.engine.running()[0].clone();
    first.shutdown().await;
    tokio::time::sleep(Duration::from_millis(400)).await;

    let second = bench.driver();
    let before = bench.vault.count("renew");
    second.recover(&spec.meta, None, &state).await.expect("recovered");
    until("it is renewed", || bench.vault.count("renew") > before + 2).await;
    assert_eq!((bench.engine.running(), bench.engine.starts(&container)), (vec![container.clone()], 1));
    second.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_start_that_waits_for_the_server_says_so_and_goes_on_when_it_is_there() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.refresh.secrets_timeout = Duration::from_secs(60);
    let driver = bench.driver_with(settings);
    let events = overhear(&driver);
    let spec = bench.spec("1");
    bench.vault.fail(Some(Kind::Unavailable));
    let (begin, id) = (driver.clone(), spec.meta.id.clone());
    let start = tokio::spawn(async move { begin.start(spec).await.map(drop) });
    until("the waiting is told", || !heard(&events, "The start waits").is_empty()).await;
    bench.vault.fail(None);
    start.await.expect("no panic").expect("it starts");
    let told = heard(&events, "The start waits");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].matches("log in").count(), 1, "{told:?}");
    assert!(told[0].contains("; next try in "), "{told:?}");
    driver.destroy(&id, true).await.expect("destroyed");
    bench.is_clean().await;
}
