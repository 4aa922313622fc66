//! What somebody asks of a running task out of turn.

use super::{
    changes::{heard, overhear},
    *,
};
use crate::domain::{Demand, OnLoss, TaskId};

const LONG: Duration = Duration::from_secs(3600);

/// Nothing happens by itself for as long as a test runs.
fn idle(bench: &Bench) -> Settings {
    let mut settings = bench.settings();
    settings.refresh = RefreshSettings { kv_poll: LONG, quiet: LONG, longest: LONG, ..settings.refresh };
    settings
}

/// One login for a database and one value that is only read; each change of them is told by one signal.
fn spec(bench: &Bench) -> TaskSpec {
    let mut spec = bench.spec("1");
    spec.secrets[0].upkeep = at_once(ChangeAction::Signal(Signal::HUP));
    spec
}

fn generation(bench: &Bench, spec: &TaskSpec) -> String {
    let manifest = bench.file(spec, "manifest.json");
    let line = manifest.lines().find(|line| line.contains("\"generation\"")).expect("a generation");
    line.trim().trim_end_matches(',').to_owned()
}

async fn destroy(bench: &Bench, driver: &Driver, id: &TaskId) {
    driver.destroy(id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_rotation_is_one_generation_of_everything_one_signal_and_the_end_of_the_old() {
    let bench = Bench::new();
    let (driver, spec) = (bench.driver_with(idle(&bench)), spec(&bench));
    driver.start(spec.clone()).await.expect("it starts");
    let (container, old) = (bench.engine.running()[0].clone(), bench.vault.live_leases());
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));

    driver.demand(&spec.meta.id, Demand::Rotate).await.expect("done");
    // Who has the answer has the files.
    assert_eq!(bench.file(&spec, "db/password"), "word-2");
    assert_eq!(bench.file(&spec, "app.env"), "KEY=second");
    assert_eq!(generation(&bench, &spec), "\"generation\": 2");
    until("the old lease is ended", || bench.vault.live_leases().iter().all(|lease| !old.contains(lease))).await;
    assert_eq!(bench.vault.live_leases().len(), 1, "the new one lives");
    assert_eq!(bench.engine.signals(&container), [Signal::HUP], "one for all of it, and none called as the demand is");
    assert_eq!((bench.engine.starts(&container), bench.vault.count("login")), (1, 1));
    destroy(&bench, &driver, &spec.meta.id).await;
}

#[tokio::test]
async fn a_look_reads_what_can_be_read_makes_no_credential_and_shows_only_what_changed() {
    let bench = Bench::new();
    let (driver, spec) = (bench.driver_with(idle(&bench)), spec(&bench));
    let events = overhear(&driver);
    driver.start(spec.clone()).await.expect("it starts");
    let leases = bench.vault.live_leases();

    driver.demand(&spec.meta.id, Demand::Render).await.expect("done");
    assert_eq!(generation(&bench, &spec), "\"generation\": 1");
    until("it is told", || heard(&events, "STRONGBOX_RENDER: nothing has changed").len() == 1).await;

    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    driver.demand(&spec.meta.id, Demand::Render).await.expect("done");
    assert_eq!(bench.file(&spec, "app.env"), "KEY=second");
    assert_eq!((bench.file(&spec, "db/password"), bench.vault.live_leases()), ("word-1".to_owned(), leases));
    destroy(&bench, &driver, &spec.meta.id).await;
}

#[tokio::test]
async fn a_look_on_demand_takes_no_answer_that_another_task_had_before() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    // An answer is passed on for a tenth of it.
    settings.refresh.kv_poll = Duration::from_secs(5);
    let driver = bench.driver_with(settings);
    let specs = ["1", "2"].map(|attempt| TaskSpec { secrets: Vec::new(), ..bench.spec(attempt) });
    for spec in &specs {
        driver.start(spec.clone()).await.expect("it starts");
    }
    let before = bench.vault.count("read");
    until("one of them looks for both", || bench.vault.count("read") > before).await;
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    for spec in &specs {
        driver.demand(&spec.meta.id, Demand::Render).await.expect("done");
        assert_eq!(bench.file(spec, "app.env"), "KEY=second");
    }
    for spec in &specs {
        driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    }
    bench.is_clean().await;
}

#[tokio::test]
async fn a_rotation_is_not_done_twice_while_the_container_is_told_of_it() {
    let bench = Bench::new();
    let (driver, mut spec) = (bench.driver_with(idle(&bench)), spec(&bench));
    spec.secrets[0].upkeep = at_once(ChangeAction::Restart);
    driver.start(spec.clone()).await.expect("it starts");
    let id = &spec.meta.id;
    bench.engine.fail_always(Op::Restart, Fault::Hang);
    let asks = [(); 4].map(|()| driver.demand(id, Demand::Rotate));
    for outcome in futures_util::future::join_all(asks).await {
        outcome.expect("done");
    }
    until("the restart has begun", || bench.engine.calls(Op::Restart) == 1).await;
    driver.demand(id, Demand::Rotate).await.expect("it is going on");
    assert_eq!(bench.file(&spec, "db/password"), "word-2");

    // What can only be read may have changed since, and is shown after what is going on.
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    driver.demand(id, Demand::Render).await.expect("read");
    assert_eq!(bench.file(&spec, "app.env"), "KEY=first");
    bench.engine.heal();
    until("both are shown", || bench.file(&spec, "app.env") == "KEY=second").await;
    assert_eq!(bench.file(&spec, "db/password"), "word-2");

    until("it is over", || bench.vault.live_leases().len() == 1).await;
    driver.demand(id, Demand::Rotate).await.expect("done");
    assert_eq!(bench.file(&spec, "db/password"), "word-3", "the next one is another");
    destroy(&bench, &driver, id).await;
}

#[tokio::test]
async fn what_a_server_that_is_away_could_not_do_is_told_at_once_and_done_when_it_is_back() {
    let bench = Bench::new();
    let spec = spec(&bench);
    let first = bench.driver_with(idle(&bench));
    let state = first.start(spec.clone()).await.expect("it starts").state;
    bench.vault.fail(Some(Kind::Unavailable));
    let error = first.demand(&spec.meta.id, Demand::Rotate).await.expect_err("no server");
    assert_eq!(error.class(), Class::BackendUnavailable);
    assert!(error.message().contains("the driver goes on trying"), "{error}");
    assert_eq!(bench.file(&spec, "db/password"), "word-1", "the old one is good");
    first.shutdown().await;

    let second = bench.driver();
    second.recover(&spec.meta, None, &state).await.expect("recovered");
    bench.vault.fail(None);
    until("it is done by the next process", || bench.file(&spec, "db/password") == "word-2").await;
    until("the old lease is ended", || bench.vault.live_leases().len() == 1).await;
    destroy(&bench, &second, &spec.meta.id).await;
}

#[tokio::test]
async fn a_rotation_that_is_refused_says_so_and_keeps_what_is_held_alive() {
    let bench = Bench::new();
    bench.vault.lend(DB, json!({ "username": "user-{n}", "password": "word-{n}" }), Duration::from_secs(2));
    bench.vault.keep_time(Duration::ZERO);
    let (driver, mut spec) = (bench.driver_with(idle(&bench)), spec(&bench));
    spec.secrets[0].upkeep.losses.on_denied = Some(OnLoss::Keep);
    driver.start(spec.clone()).await.expect("it starts");
    let lease = bench.vault.live_leases();
    bench.vault.deny(DB);
    let error = driver.demand(&spec.meta.id, Demand::Rotate).await.expect_err("denied");
    assert!(error.message().contains(DB) && error.message().contains("what is held stays"), "{error}");
    driver.demand(&spec.meta.id, Demand::Render).await.expect("the rest is read all the same");
    until("it is renewed again and again", || bench.vault.renewals().len() > 4).await;
    assert_eq!((bench.vault.live_leases(), bench.file(&spec, "db/password")), (lease, "word-1".to_owned()));
    destroy(&bench, &driver, &spec.meta.id).await;
}

#[tokio::test]
async fn a_dead_login_is_replaced_before_a_rotation_says_how_it_went() {
    let bench = Bench::new();
    let (driver, spec) = (bench.driver_with(idle(&bench)), spec(&bench));
    driver.start(spec.clone()).await.expect("it starts");
    bench.vault.expire_all();
    driver.demand(&spec.meta.id, Demand::Rotate).await.expect("done");
    assert_eq!((bench.file(&spec, "db/password"), bench.vault.count("login")), ("word-2".to_owned(), 2));
    destroy(&bench, &driver, &spec.meta.id).await;
}

#[tokio::test]
async fn who_asks_for_what_is_not_there_is_told_in_a_sentence() {
    let bench = Bench::new();
    let driver = bench.driver();
    let unknown = driver.demand(&"x/y/z".parse().expect("an id"), Demand::Rotate).await.expect_err("unknown");
    assert_eq!(unknown.class(), Class::TaskUnknown);

    let bare = TaskSpec { secrets: Vec::new(), templates: Vec::new(), ..bench.spec("1") };
    driver.start(bare.clone()).await.expect("it starts");
    let error = driver.demand(&bare.meta.id, Demand::Rotate).await.expect_err("nothing there");
    assert!(error.message().contains("has no secrets, certificates or templates"), "{error}");
    destroy(&bench, &driver, &bare.meta.id).await;

    let lent = TaskSpec { templates: Vec::new(), ..bench.spec("2") };
    driver.start(lent.clone()).await.expect("it starts");
    let error = driver.demand(&lent.meta.id, Demand::Render).await.expect_err("nothing to read");
    assert!(error.message().contains("STRONGBOX_ROTATE makes them"), "{error}");

    bench.engine.end(&bench.engine.running()[0], ExitResult::default());
    driver.wait(&lent.meta.id).await.expect("an end");
    let error = driver.demand(&lent.meta.id, Demand::Rotate).await.expect_err("it has ended");
    assert_eq!(error.class(), Class::NotRunning);
    destroy(&bench, &driver, &lent.meta.id).await;
}

#[tokio::test]
async fn what_a_process_had_obtained_and_not_shown_is_shown_by_the_next() {
    let bench = Bench::new();
    let spec = spec(&bench);
    let mut settings = bench.settings();
    settings.refresh = RefreshSettings { quiet: LONG, longest: LONG, ..settings.refresh };
    let first = bench.driver_with(settings);
    let state = first.start(spec.clone()).await.expect("it starts").state;
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    let before = bench.vault.count("read");
    until("it was read and written down", || bench.vault.count("read") > before + 3).await;
    assert_eq!(bench.file(&spec, "app.env"), "KEY=first");
    first.shutdown().await;

    let second = bench.driver();
    second.recover(&spec.meta, None, &state).await.expect("recovered");
    until("it is shown", || bench.file(&spec, "app.env") == "KEY=second").await;
    destroy(&bench, &second, &spec.meta.id).await;
}
