//! Two thousand leases through an outage of more than ten minutes, in time that passes by itself.

use std::collections::BTreeMap;

use super::{
    changes::{heard, overhear},
    *,
};

const TASKS: usize = 50;
const LEASES: usize = 40;
const LIFE: Duration = Duration::from_secs(1800);
/// A task asks for one thing after another: where all that ends first is one task's, seven others go on at each step of it.
const AT_ONCE: usize = 8 * LEASES;

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// A task with many leases and one template.
fn with_leases(bench: &Bench, task: usize) -> TaskSpec {
    let mut spec = bench.spec(&format!("{task:08}"));
    let secret = spec.secrets[0].clone();
    spec.secrets = (0..LEASES)
        .map(|lease| {
            let path = format!("{DB}/{task}-{lease}");
            // Ends of all tasks in between one another.
            let more = Duration::from_secs((task as u64 * 17 + lease as u64 * 29) % 100);
            bench.vault.lend(&path, json!({ "password": "word-{n}" }), LIFE + more);
            let name = format!("db-{lease}").parse().expect("a name");
            SecretRequest { name, path: path.parse().expect("a path"), ..secret.clone() }
        })
        .collect();
    spec
}

fn manifests(bench: &Bench, specs: &[TaskSpec]) -> Vec<String> {
    specs.iter().map(|spec| bench.file(spec, "manifest.json")).collect()
}

#[tokio::test]
async fn two_thousand_leases_pass_an_outage_of_eleven_minutes_in_the_order_of_their_ends() {
    let bench = Bench::new();
    bench.vault.keep_time(Duration::from_millis(20));
    let mut settings = bench.settings();
    settings.rules = rules(Rule { paths: vec![KV.into(), format!("{DB}/*")], ..Rule::default() });
    settings.refresh = RefreshSettings::default();
    settings.tmpfs.size_bytes = 4 << 20;
    let driver = bench.driver_with(settings);
    let events = overhear(&driver);
    bench.vault.role("jwt", "shop", minutes(24 * 60));
    let specs: Vec<TaskSpec> = (0..TASKS).map(|task| with_leases(&bench, task)).collect();
    for spec in &specs {
        driver.start(spec.clone()).await.expect("it starts");
    }
    let before = manifests(&bench, &specs);

    // From here on nobody waits for a disk, so that time may run ahead.
    tokio::time::pause();
    tokio::time::sleep(minutes(12)).await;
    assert_eq!(bench.vault.renewals().len(), 0, "60 % are eighteen minutes");
    let asked = || ["read", "renew", "lookup", "login"].map(|verb| bench.vault.count(verb)).iter().sum::<u64>();
    bench.vault.fail(Some(Kind::Unavailable));
    let quiet = asked();
    tokio::time::sleep(minutes(11)).await;
    let probes = asked() - quiet;
    assert!((100..=400).contains(&probes), "{probes} requests in eleven minutes");

    bench.vault.fail(None);
    tokio::time::sleep(minutes(3)).await;
    let renewals = bench.vault.renewals();
    assert_eq!(renewals.len(), TASKS * LEASES, "each is renewed once");
    let late = renewals.iter().filter(|renewal| renewal.rest < LIFE.mul_f64(0.16)).count();
    assert_eq!(late, 0, "none was let go beyond 85 % of its life");
    assert!(bench.vault.most_at_once() <= 8, "{} at once", bench.vault.most_at_once());
    let end = |renewal: &crate::vault::Renewal| renewal.at + renewal.rest;
    let mut ranks: BTreeMap<_, usize> = BTreeMap::new();
    let mut ends: Vec<_> = renewals.iter().map(|renewal| (end(renewal), renewal.lease.clone())).collect();
    ends.sort();
    for (rank, (_, lease)) in ends.into_iter().enumerate() {
        ranks.insert(lease, rank);
    }
    let displaced = renewals.iter().enumerate().map(|(at, renewal)| ranks[&renewal.lease].abs_diff(at)).max();
    assert!(displaced <= Some(AT_ONCE), "the earliest end first, but one was {displaced:?} places off");

    assert_eq!(manifests(&bench, &specs), before, "no file was touched");
    for container in bench.engine.running() {
        assert_eq!((bench.engine.signals(&container), bench.engine.starts(&container)), (Vec::new(), 1));
    }
    for text in ["does not answer since", "answers again"] {
        assert_eq!(heard(&events, text).len(), TASKS, "{text}");
    }
    assert_eq!(heard(&events, "").len(), 2 * TASKS, "{:?}", heard(&events, ""));

    tokio::time::resume();
    for spec in &specs {
        driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    }
    bench.is_clean().await;
}
