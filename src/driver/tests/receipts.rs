//! What the audit file has of a task's life, and what happens when it cannot have it.

use serde_json::Value;

use super::*;
use crate::audit::{self, Wanted};

/// Returns the events of all lines about tasks in `audit.log`, after making sure that the chain is whole.
fn lines(bench: &Bench) -> Vec<Value> {
    let file = bench.path("state/audit.log");
    let report = audit::verify(std::slice::from_ref(&file), &[]).expect("readable");
    assert!(report.flaws.is_empty(), "{:?}", report.flaws);
    let text = fs::read_to_string(file).expect("readable");
    for secret in ["word-", "first", "second", "token-"] {
        assert!(!text.replace("accessor-of-", "").contains(secret), "{secret} in {text}");
    }
    text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Shortens lines to what a test compares.
fn told(lines: &[Value]) -> Vec<String> {
    let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let short = |line: &Value| format!("{} {} {}", word(line, "event"), word(line, "kind"), word(line, "path"));
    lines.iter().map(|line| short(line).trim().to_owned()).collect()
}

#[tokio::test]
async fn every_credential_has_its_lines_from_the_login_to_the_end() {
    let bench = Bench::new();
    let (driver, spec, container) = bench.started().await;
    bench.change(&container).await;
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
    let file = bench.path("state/audit.log");
    until("the last line is there", || fs::read_to_string(&file).is_ok_and(|text| text.contains("ended"))).await;

    let lines = lines(&bench);
    let told = told(&lines);
    assert_eq!(told[0], "obtained token auth/jwt");
    let mut at_start = told[1..5].to_vec();
    at_start.sort();
    let kv = format!("secret {KV}");
    let db = format!("secret {DB}");
    assert_eq!(
        at_start,
        [format!("delivered {db}"), format!("delivered {kv}"), format!("obtained {db}"), format!("obtained {kv}")]
    );
    assert_eq!(told[told.len() - 2..], ["revoked token".to_owned(), "ended".to_owned()]);
    assert_eq!(told.iter().filter(|line| **line == format!("delivered {kv}")).count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|line| **line == format!("delivered {db}")).count(), 1, "{told:?}");

    let of = |line: &str| &lines[told.iter().position(|told| told == line).expect("a line")];
    let login = of("obtained token auth/jwt");
    assert_eq!((&login["job"], &login["task"], &login["role"]), (&json!("shop"), &json!("web"), &json!("shop")));
    assert_eq!(login["spiffe_id"], "spiffe://strongbox.internal/ns/default/job/shop/group/front/task/web");
    let lease = of(&format!("obtained {db}"));
    assert!(lease["lease"].as_str().is_some_and(|lease| lease.starts_with(DB)), "{lease}");
    assert_eq!((&lease["accessor"], &lease["request_id"]), (&login["accessor"], &json!("request-1")));
    assert_eq!(of(&format!("delivered {db}"))["generation"], 1);
    assert_eq!(of("revoked token")["accessor"], login["accessor"]);
    let files = [bench.path("state/audit.log")];
    assert_eq!(audit::holders(&files, &Wanted::default(), std::time::SystemTime::now()).expect("readable"), []);
}

#[tokio::test]
async fn a_refusal_has_its_line_with_the_reason() {
    let bench = Bench::new();
    let driver = bench.driver();
    let mut spec = bench.spec("1");
    spec.secrets[0].path = "kv/data/other".parse().expect("a path");
    driver.start(spec).await.expect_err("no rule");
    bench.vault.deny(DB);
    driver.start(bench.spec("2")).await.expect_err("no grant");
    bench.is_clean().await;
    let file = bench.path("state/audit.log");
    until("the last line is there", || fs::read_to_string(&file).is_ok_and(|text| text.contains("ended"))).await;
    let lines = lines(&bench);
    let refused: Vec<_> = lines.iter().filter(|line| line["event"] == "refused").collect();
    assert_eq!(refused.len(), 2, "{lines:?}");
    assert!(refused[0]["reason"].as_str().is_some_and(|why| why.contains("no allow rule")), "{}", refused[0]);
    assert_eq!((&refused[1]["path"], &refused[1]["outcome"]), (&json!(DB), &json!("refused")));
}

#[tokio::test]
async fn nothing_is_obtained_while_no_line_can_be_written() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.audit.file = Some(bench.path("none/audit.log"));
    let driver = bench.driver_with(settings.clone());
    let error = driver.start(bench.spec("1")).await.expect_err("no line");
    assert_eq!(error.class(), Class::StateUnavailable);
    assert!(error.message().contains("none/audit.log") && error.message().contains("required"), "{error}");
    bench.is_clean().await;
    let logins = bench.vault.count("login");
    driver.start(bench.spec("2")).await.expect_err("still none");
    assert_eq!(bench.vault.count("login"), logins, "now it is known, so nothing is sent");

    fs::create_dir(bench.path("none")).expect("there is room again");
    driver.start(bench.spec("3")).await.expect("it starts");
    driver.destroy(&bench.spec("3").meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
    let file = bench.path("none/audit.log");
    let all = || fs::read_to_string(&file).is_ok_and(|text| text.matches("\"ended\"").count() == 3);
    until("the lines of the refused starts are there too", all).await;
    let report = audit::verify(std::slice::from_ref(&file), &[]).expect("readable");
    assert!(report.flaws.is_empty(), "{report:?}");

    settings.audit.file = Some(bench.path("never/audit.log"));
    settings.audit.required = false;
    let driver = bench.driver_with(settings);
    driver.start(bench.spec("4")).await.expect("the operator does not insist");
    driver.destroy(&bench.spec("4").meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_running_task_is_kept_fresh_though_no_line_can_be_written() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    fs::create_dir(bench.path("log")).expect("a folder");
    settings.audit.file = Some(bench.path("log/audit.log"));
    let driver = bench.driver_with(settings);
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    let container = bench.engine.running()[0].clone();
    fs::rename(bench.path("log"), bench.path("away")).expect("moved");
    bench.change(&container).await;
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
    fs::rename(bench.path("away"), bench.path("log")).expect("back");
    drop(driver);
    let files = [bench.path("log/audit.log")];
    let wanted = Wanted { path: Some(KV.into()), ..Wanted::default() };
    until("the lines that waited are there", || {
        let lines = audit::lines_of(&files, &wanted).expect("readable");
        lines.iter().filter(|line| line.contains("delivered")).count() == 2
    })
    .await;
    assert!(audit::verify(&files, &[]).expect("readable").flaws.is_empty());
}

#[tokio::test]
async fn a_token_that_a_reboot_lost_is_awaited_until_its_end() {
    let bench = Bench::new();
    bench.vault.role("jwt", "shop", Duration::from_secs(3));
    let spec = bench.spec("1");
    let first = bench.driver();
    first.start(spec.clone()).await.expect("it starts");
    first.shutdown().await;
    drop(first);
    // A reboot ends containers and empties what is in RAM; the token lives on.
    bench.engine.end(&bench.engine.running()[0], ExitResult::default());
    let key = spec.meta.id.key();
    let tmpfs = tmpfs::Tmpfs::new(bench.settings().tmpfs);
    tmpfs.remove(&key).expect("removed");

    let journal = || Journal::open(&bench.settings().journal).expect("a journal").task(&key);
    let second = bench.driver();
    second.destroy(&spec.meta.id, true).await.expect_err("its token lives");
    drop(second);
    assert!(journal().is_some_and(|open| open.accessor.is_some()), "the journal still has it");

    let third = bench.driver();
    let watcher = tokio::spawn(futures_util::StreamExt::for_each(third.fingerprints(), |_| async {}));
    let files = [bench.path("state/audit.log")];
    let wanted = Wanted { accessor: Some("accessor-of-*".into()), ..Wanted::default() };
    let expired = || {
        let lines = audit::lines_of(&files, &wanted).expect("readable");
        lines.iter().any(|line| line.contains("\"revoked\"") && line.contains("expired: the only copy was lost"))
    };
    until("its time is over", expired).await;
    watcher.abort();
}
