//! What a task is told of a change, and what goes on meanwhile.

use std::sync::Mutex;

use super::*;
use crate::domain::{ChangeScript, ExecOutput, TaskEvent};

fn script(fail_on_error: bool, first_run: bool) -> Upkeep {
    at_once(ChangeAction::Script(ChangeScript {
        command: "/reload".into(),
        args: vec!["now".into()],
        timeout: Duration::from_secs(60),
        fail_on_error,
        first_run,
    }))
}

/// Gathers what is told from now on.
pub(super) fn overhear(driver: &Driver) -> Arc<Mutex<Vec<String>>> {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let (events, ear) = (driver.events(), Arc::clone(&heard));
    let note = move |event: TaskEvent| {
        ear.lock().expect("no panic").push(event.message);
        std::future::ready(())
    };
    tokio::spawn(futures_util::StreamExt::for_each(events, note));
    heard
}

pub(super) fn heard(events: &Mutex<Vec<String>>, what: &str) -> Vec<String> {
    events.lock().expect("no panic").iter().filter(|text| text.contains(what)).cloned().collect()
}

fn commands(bench: &Bench) -> Vec<Vec<String>> {
    bench.engine.commands().into_iter().map(|command| command.request.command).collect()
}

/// A task that is restarted after a change of its template.
fn restarting(bench: &Bench) -> TaskSpec {
    let mut spec = bench.spec("1");
    spec.templates[0].upkeep = at_once(ChangeAction::Restart);
    spec
}

#[tokio::test]
async fn renewal_goes_on_while_a_restart_hangs_and_the_next_change_waits_for_it() {
    let bench = Bench::new();
    let (driver, spec, container) = bench.started_as(restarting(&bench)).await;

    bench.engine.fail_always(Op::Restart, Fault::Hang);
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    until("the restart has begun", || bench.engine.calls(Op::Restart) == 1).await;
    bench.vault.put_kv(KV, json!({ "api_key": "third" }));
    let before = bench.vault.count("read");
    until("reading goes on", || bench.vault.count("read") > before + 5).await;
    assert_eq!(bench.file(&spec, "app.env"), "KEY=second", "one change at a time");

    bench.engine.heal();
    until("both changes were acted upon", || bench.engine.starts(&container) == 3).await;
    assert_eq!(bench.file(&spec, "app.env"), "KEY=third");
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_restart_whose_start_fails_for_once_is_finished() {
    let bench = Bench::new();
    let (driver, spec, container) = bench.started_as(restarting(&bench)).await;
    let events = overhear(&driver);

    bench.engine.fail(Op::Start, Fault::RefusedForNow);
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    until("it runs anew", || bench.engine.starts(&container) == 2).await;
    until("it is told", || heard(&events, "container restarted").len() == 1).await;
    assert_eq!(heard(&events, "failed"), [""; 0]);
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

/// The container ends by our own stop, with the code that a task ends well with.
#[tokio::test]
async fn a_task_that_cannot_be_started_again_after_a_change_has_failed() {
    let bench = Bench::new();
    let (driver, spec, _) = bench.started_as(restarting(&bench)).await;

    bench.engine.fail_always(Op::Start, Fault::Refused);
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    let exit = driver.wait(&spec.meta.id).await.expect("an end");
    let why = exit.message.expect("a reason");
    assert!(why.contains("stopped for a restart after a change and could not be started again"), "{why}");
    driver.destroy(&spec.meta.id, false).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_script_runs_after_each_change_and_first_if_asked() {
    let bench = Bench::new();
    let driver = bench.driver();
    let mut spec = bench.spec("1");
    spec.templates[0].upkeep = script(false, true);
    spec.secrets[0].upkeep = script(false, false);
    let events = overhear(&driver);
    driver.start(spec.clone()).await.expect("it starts");
    until("the first run", || commands(&bench) == [["/reload", "now"]]).await;
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    until("the run after the change", || commands(&bench).len() == 2).await;
    assert_eq!(bench.file(&spec, "app.env"), "KEY=second");
    until("both are told", || heard(&events, "script").len() == 2).await;
    let texts = heard(&events, "script");
    assert_eq!(texts[0], "Started with generation 1: script \"/reload\" run");
    assert_eq!(texts[1], "app.env renewed, generation 2: script \"/reload\" run");
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_script_that_fails_ends_its_task_only_where_the_job_says_so() {
    for (fail_on_error, output) in [(false, "a-secret"), (true, "a-secret")] {
        let bench = Bench::new();
        let driver = bench.driver();
        let mut spec = bench.spec("1");
        spec.templates[0].upkeep = script(fail_on_error, false);
        bench.engine.set_exec(ExecOutput { stdout: output.into(), stderr: output.into(), exit_code: 7 });
        let events = overhear(&driver);
        driver.start(spec.clone()).await.expect("it starts");
        bench.vault.put_kv(KV, json!({ "api_key": "second" }));
        until("it is told", || !heard(&events, "\"/reload\" failed: exit code 7").is_empty()).await;
        assert!(heard(&events, output).is_empty());
        if fail_on_error {
            let exit = driver.wait(&spec.meta.id).await.expect("an end");
            assert!(exit.message.is_some_and(|message| message.contains("fail_on_error")));
        } else {
            assert_eq!(bench.engine.running().len(), 1);
        }
        driver.destroy(&spec.meta.id, true).await.expect("destroyed");
        bench.is_clean().await;
    }
}

#[tokio::test]
async fn an_end_is_seen_during_a_slow_script_which_ends_too() {
    let bench = Bench::new();
    let driver = bench.driver();
    let mut spec = bench.spec("1");
    spec.templates[0].upkeep = script(true, true);
    bench.engine.hold_commands();
    driver.start(spec.clone()).await.expect("it starts");
    until("the script runs", || commands(&bench).len() == 1).await;
    let exit = ExitResult { exit_code: 3, ..ExitResult::default() };
    bench.engine.end(&bench.engine.running()[0], exit.clone());
    assert_eq!(driver.wait(&spec.meta.id).await.expect("an end"), exit);
    until("the script is ended", || bench.engine.commands()[0].ended).await;
    driver.destroy(&spec.meta.id, false).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_first_run_that_a_crash_prevented_is_made_up_for() {
    let bench = Bench::new();
    let mut spec = bench.spec("1");
    spec.templates[0].upkeep = script(false, true);
    bench.engine.hold_commands();
    let first = bench.driver();
    let state = first.start(spec.clone()).await.expect("it starts").state;
    until("the script runs", || commands(&bench).len() == 1).await;
    first.shutdown().await;
    bench.engine.release_commands();

    let second = bench.driver();
    second.recover(&spec.meta, None, &state).await.expect("recovered");
    until("it runs again", || commands(&bench).len() == 2).await;
    second.shutdown().await;

    let third = bench.driver();
    third.recover(&spec.meta, None, &state).await.expect("recovered");
    bench.vault.put_kv(KV, json!({ "api_key": "second" }));
    until("it runs after a change", || commands(&bench).len() == 3).await;
    third.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn what_was_replaced_lives_on_for_the_overlap_and_not_longer_than_its_task() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.refresh.revoke_after = Duration::from_secs(3600);
    let driver = bench.driver_with(settings);
    let spec = bench.spec("1");
    bench.vault.lend(DB, json!({ "username": "user-{n}", "password": "word-{n}" }), Duration::from_secs(2));
    driver.start(spec.clone()).await.expect("it starts");
    let container = bench.engine.running()[0].clone();
    let lease = bench.vault.live_leases()[0].clone();
    bench.vault.shorten_lease(&lease, Duration::from_millis(100));
    until("the container is started again", || bench.engine.starts(&container) == 2).await;
    let before = bench.vault.count("read");
    until("some time goes by", || bench.vault.count("read") > before + 3).await;
    assert!(bench.vault.live_leases().contains(&lease), "it lives on");
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn what_was_replaced_ends_once_the_server_is_back() {
    let bench = Bench::new();
    let driver = bench.driver();
    let spec = bench.spec("1");
    bench.vault.lend(DB, json!({ "username": "user-{n}", "password": "word-{n}" }), Duration::from_secs(2));
    bench.engine.fail_always(Op::Restart, Fault::Hang);
    driver.start(spec.clone()).await.expect("it starts");
    let lease = bench.vault.live_leases()[0].clone();
    bench.vault.shorten_lease(&lease, Duration::from_millis(100));
    until("the restart has begun", || bench.engine.calls(Op::Restart) == 1).await;
    bench.vault.fail(Some(Kind::Unavailable));
    bench.engine.heal();
    let before = bench.vault.count("revoke");
    until("the end was asked for", || bench.vault.count("revoke") > before).await;
    assert!(bench.vault.live_leases().contains(&lease));
    bench.vault.fail(None);
    until("it has ended", || !bench.vault.live_leases().contains(&lease)).await;
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}
