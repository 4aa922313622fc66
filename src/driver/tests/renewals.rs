//! Renewals that fail, answers that are the same, and what a process finds that takes over.

use futures_util::{FutureExt, StreamExt};

use super::{
    changes::{heard, overhear},
    *,
};
use crate::driver::record::Record;

const FIELDS: fn() -> serde_json::Value = || json!({ "username": "user-{n}", "password": "word-{n}" });

/// An engine that cannot renew once led others to some hundred accounts a minute.
#[tokio::test]
async fn a_renewal_that_fails_makes_no_second_account() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.refresh = RefreshSettings::default();
    let driver = bench.driver_with(settings);
    let events = overhear(&driver);
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    let (container, leases) = (bench.engine.running()[0].clone(), bench.vault.live_leases());
    bench.vault.fail_renewals(true);

    // From here on nobody waits for a disk, so that time may run ahead: ten minutes are lent, six of them pass unasked.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(500)).await;
    let tries = bench.vault.count("renew");
    assert!((3..=200).contains(&tries), "{tries} tries");
    assert_eq!(bench.vault.live_leases(), leases);
    bench.vault.fail_renewals(false);
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert!(bench.vault.count("renew") > tries);
    tokio::time::resume();

    assert_eq!(bench.vault.live_leases(), leases, "the first account lives on");
    assert_eq!(bench.file(&spec, "db/password"), "word-1");
    assert_eq!(bench.engine.starts(&container), 1);
    for text in ["could not be refreshed, what is held stays", "is fresh again"] {
        assert_eq!(heard(&events, text).len(), 1, "{text}: {:?}", heard(&events, ""));
    }
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn what_was_revoked_while_no_process_was_there_is_found_out_by_asking() {
    let bench = Bench::new();
    // By the record it is due after half a minute at the earliest, later than `until` waits.
    bench.vault.lend(DB, FIELDS(), Duration::from_secs(50));
    let first = bench.driver();
    let spec = bench.spec("1");
    let state = first.start(spec.clone()).await.expect("it starts").state;
    let container = bench.engine.running()[0].clone();
    first.shutdown().await;
    bench.vault.end_lease(&bench.vault.live_leases()[0]);

    let second = bench.driver();
    second.recover(&spec.meta, None, &state).await.expect("recovered");
    until("the container is started again", || bench.engine.starts(&container) == 2).await;
    assert_eq!(bench.file(&spec, "db/password"), "word-2");
    assert_eq!(bench.vault.count("login"), 1);
    second.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_running_task_whose_directory_is_gone_is_told_and_runs_on() {
    let bench = Bench::new();
    let first = bench.driver();
    let spec = bench.spec("1");
    let state = first.start(spec.clone()).await.expect("it starts").state;
    first.shutdown().await;
    let tmpfs = tmpfs::Tmpfs::new(bench.settings().tmpfs);
    tmpfs.remove(&spec.meta.id.key()).expect("removed");

    let second = bench.driver();
    let mut events = second.events();
    assert!(events.next().now_or_never().is_none(), "the first look begins to listen");
    second.recover(&spec.meta, None, &state).await.expect("recovered");
    let told =
        tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("it is told").expect("an event");
    for part in ["Secrets are no longer kept fresh", "run/tasks", "restart the task"] {
        assert!(told.message.contains(part), "{}", told.message);
    }
    assert_eq!(bench.engine.running().len(), 1);
}

#[tokio::test]
async fn a_new_version_with_equal_values_makes_no_generation_and_no_action() {
    let bench = Bench::new();
    let driver = bench.driver();
    let events = overhear(&driver);
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    let container = bench.engine.running()[0].clone();
    let before = bench.file(&spec, "manifest.json");
    for _ in 0..3 {
        bench.vault.put_kv(KV, json!({ "api_key": "first" }));
        // More looks than a change is gathered for.
        let looks = bench.vault.count("read");
        until("it is looked at", || bench.vault.count("read") > looks + 6).await;
    }
    assert_eq!(bench.file(&spec, "manifest.json"), before);
    assert!(bench.engine.signals(&container).is_empty() && heard(&events, "").is_empty(), "{:?}", heard(&events, ""));

    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    until("a real change is told", || !bench.engine.signals(&container).is_empty()).await;
    assert!(bench.file(&spec, "manifest.json").contains("\"generation\": 2"));
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_renewal_that_is_not_written_at_once_comes_into_the_record_all_the_same() {
    let bench = Bench::new();
    bench.vault.lend(DB, FIELDS(), Duration::from_secs(4));
    let mut settings = bench.settings();
    // Nothing else has the record written meanwhile.
    settings.refresh.kv_poll = Duration::from_secs(3600);
    let driver = bench.driver_with(settings);
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    let tmpfs = tmpfs::Tmpfs::new(bench.settings().tmpfs);
    let dir = tmpfs.open(&spec.meta.id.key()).expect("a tmpfs").expect("a directory");
    let granted = || {
        let record = Record::read(&dir).expect("readable").expect("a record");
        record.holdings.answers.values().filter_map(|answer| answer.lease.as_ref()).map(|lease| lease.since).max()
    };
    for _ in 0..2 {
        let (renewals, noted) = (bench.vault.count("renew"), granted());
        until("it is renewed", || bench.vault.count("renew") > renewals).await;
        until("the record has it", || granted() > noted).await;
    }
    drop(dir);
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}
