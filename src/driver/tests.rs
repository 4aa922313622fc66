//! The use cases over an engine and a server in memory, with a real tmpfs and a real journal.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{AuthMethod, AuthSettings, Class, Driver, Parts, RefreshSettings, Settings, TaskDriver};
use crate::{
    container::{ContainerId, Fault, MemoryEngine, Op},
    domain::{
        ChangeAction, ContainerOptions, ExitResult, Isolation, Resources, SecretRequest, SecretString, Signal,
        TaskMeta, TaskSpec, TemplateRequest, Upkeep,
    },
    identity::{Rule, Rules},
    journal::{self, Journal},
    tmpfs,
    vault::{Kind, Memory, NodeKey, Vault},
};

mod certificates;
mod changes;
mod clusters;
mod demands;
mod identities;
mod outages;
mod receipts;
mod renewals;
mod scale;
mod shared;

const KV: &str = "kv/data/shop";
const DB: &str = "database/creds/shop";

/// Grants the tasks of the one job their login and what `grants` says.
fn rules(grants: Rule) -> Rules {
    let rule = Rule {
        namespace: "default".into(),
        job: "shop".into(),
        group: "*".into(),
        task: "*".into(),
        roles: vec!["shop".into()],
        ..grants
    };
    Rules::load(&[rule]).expect("good rules")
}

/// An action that nobody waits for.
fn at_once(action: ChangeAction) -> Upkeep {
    Upkeep { splay: Duration::ZERO, ..action.into() }
}

/// A machine in small: directories, an engine, a server.
struct Bench {
    folder: tempfile::TempDir,
    engine: MemoryEngine,
    vault: Arc<Memory>,
}

impl Bench {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "these tests mount a tmpfs: run them as root");
        let bench = Self {
            folder: tempfile::tempdir().expect("a folder"),
            engine: MemoryEngine::new("test"),
            vault: Arc::default(),
        };
        for folder in ["alloc/web/secrets", "state"] {
            fs::create_dir_all(bench.path(folder)).expect("a folder");
        }
        let key = NodeKey::generate().expect("a key");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(bench.path("node.key"))
            .expect("a file");
        std::io::Write::write_all(&mut file, key.expose().as_bytes()).expect("written");
        bench.vault.role("jwt", "shop", Duration::from_secs(3600));
        bench.vault.put_kv(KV, json!({ "api_key": "first" }));
        bench.vault.lend(DB, json!({ "username": "user-{n}", "password": "word-{n}" }), Duration::from_secs(600));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self) -> Settings {
        let millis = Duration::from_millis;
        Settings {
            rules: rules(Rule { paths: vec![KV.into(), DB.into()], ..Rule::default() }),
            auth: AuthSettings {
                mount: "jwt".into(),
                method: AuthMethod::Driver {
                    key_file: self.path("node.key"),
                    issuer: "strongbox".into(),
                    audience: "vault.io".into(),
                },
                ..AuthSettings::default()
            },
            tmpfs: tmpfs::Settings { runtime_dir: self.path("run"), ..tmpfs::Settings::default() },
            journal: journal::Settings { state_dir: self.path("state") },
            refresh: RefreshSettings {
                kv_poll: millis(40),
                quiet: millis(20),
                longest: millis(200),
                secrets_timeout: millis(700),
                reap_after: millis(300),
                ..RefreshSettings::default()
            },
            ..Settings::default()
        }
    }

    fn driver(&self) -> Driver {
        self.driver_with(self.settings())
    }

    /// Starts a task with a driver of its own.
    async fn started(&self) -> (Driver, TaskSpec, ContainerId) {
        self.started_as(self.spec("1")).await
    }

    /// As [`Bench::started`], for a task that is described so.
    async fn started_as(&self, spec: TaskSpec) -> (Driver, TaskSpec, ContainerId) {
        let driver = self.driver();
        driver.start(spec.clone()).await.expect("it starts");
        (driver, spec, self.engine.running()[0].clone())
    }

    /// Changes what is in KV and waits until the container is told.
    async fn change(&self, container: &ContainerId) {
        self.vault.put_kv(KV, json!({ "api_key": "second" }));
        until("the signal is sent", || !self.engine.signals(container).is_empty()).await;
    }

    fn driver_with(&self, settings: Settings) -> Driver {
        let journal = Journal::open(&settings.journal).expect("a journal");
        let vault: Arc<dyn Vault> = self.vault.clone();
        Driver::over(Parts::new(settings, Arc::new(self.engine.clone()), Some(vault), journal).expect("parts"))
    }

    fn file(&self, spec: &TaskSpec, name: &str) -> String {
        let path = self.path("run/tasks").join(spec.meta.id.key().as_str()).join("data").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn spec(&self, attempt: &str) -> TaskSpec {
        TaskSpec {
            meta: TaskMeta {
                id: format!("550e8400/web/{attempt}").parse().expect("an id"),
                name: "web".into(),
                group: "front".into(),
                job_id: "shop".into(),
                job_name: "shop".into(),
                namespace: "default".into(),
                alloc_id: "550e8400".into(),
                node_id: "node".into(),
                node_name: "here".into(),
            },
            user: None,
            env: BTreeMap::new(),
            alloc_dir: self.path("alloc"),
            logs: None,
            resources: Resources { cpu_shares: 100, memory_limit: 64 << 20, ..Resources::default() },
            ports: Vec::new(),
            mounts: Vec::new(),
            devices: Default::default(),
            isolation: Isolation::None,
            dns: Default::default(),
            container: ContainerOptions { image: "busybox:1".into(), ..ContainerOptions::default() },
            vault_role: None,
            server: Default::default(),
            secrets: vec![SecretRequest::new(
                "db".parse().expect("a name"),
                DB.parse().expect("a path"),
                at_once(ChangeAction::Restart),
            )],
            certificates: Vec::new(),
            templates: vec![TemplateRequest {
                destination: "app.env".parse().expect("a name"),
                source: format!("{{{{ with secret \"{KV}\" }}}}KEY={{{{ .Data.data.api_key }}}}{{{{ end }}}}"),
                left_delimiter: "{{".into(),
                right_delimiter: "}}".into(),
                mode: 0o400,
                env: false,
                access: Default::default(),
                upkeep: at_once(ChangeAction::Signal(Signal::HUP)),
            }],
        }
    }

    /// Asserts that nothing of any task is left anywhere.
    async fn is_clean(&self) {
        until("no container, directory or token is left", || {
            let mounted = fs::read_dir(self.path("run/tasks")).map(Iterator::count).unwrap_or_default();
            self.engine.containers().is_empty()
                && mounted == 0
                && self.vault.live_tokens() == 0
                && self.vault.live_leases().is_empty()
        })
        .await;
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A test that failed half-way must not leave its mounts behind.
        for entry in fs::read_dir(self.path("run/tasks")).into_iter().flatten().flatten() {
            rustix::mount::unmount(entry.path(), rustix::mount::UnmountFlags::DETACH).ok();
        }
    }
}

/// Waits for a condition, bounded.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_task_has_its_secrets_from_the_start_and_nothing_outlives_it() {
    let bench = Bench::new();
    let driver = bench.driver();
    let spec = bench.spec("1");
    let started = driver.start(spec.clone()).await.expect("it starts");

    assert_eq!(bench.file(&spec, "app.env"), "KEY=first");
    assert_eq!(bench.file(&spec, "db/password"), "word-1");
    let manifest = bench.file(&spec, "manifest.json");
    assert!(manifest.contains("\"generation\": 1") && !manifest.contains("word-1"), "{manifest}");
    let handle = String::from_utf8_lossy(&started.state).into_owned();
    assert!(!handle.contains("word-1") && !handle.contains("first"), "{handle}");

    let exit = ExitResult { exit_code: 3, ..ExitResult::default() };
    bench.engine.end(&bench.engine.running()[0], exit.clone());
    assert_eq!(driver.wait(&spec.meta.id).await.expect("an end"), exit);
    driver.destroy(&spec.meta.id, false).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_changed_secret_becomes_a_new_generation_and_one_signal() {
    let bench = Bench::new();
    let (driver, spec, container) = bench.started().await;
    bench.change(&container).await;
    assert_eq!(bench.file(&spec, "app.env"), "KEY=second");
    assert_eq!(bench.file(&spec, "db/password"), "word-1", "what did not change stays");
    assert_eq!(bench.engine.signals(&container), [Signal::HUP]);
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_revoked_lease_becomes_a_new_credential_and_a_restart_in_place() {
    let bench = Bench::new();
    bench.vault.lend(DB, json!({ "username": "user-{n}", "password": "word-{n}" }), Duration::from_secs(6));
    let driver = bench.driver();
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    let container = bench.engine.running()[0].clone();

    bench.vault.end_lease(&bench.vault.live_leases()[0]);
    until("the container is started again", || bench.engine.starts(&container) == 2).await;
    assert_eq!(bench.file(&spec, "db/password"), "word-2");
    assert_eq!(bench.engine.containers().len(), 1, "the container is the same one");
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_failed_start_leaves_nothing_whatever_failed() {
    for op in [Op::EnsureImage, Op::Create, Op::ResolveUser, Op::Start] {
        let bench = Bench::new();
        let driver = bench.driver();
        bench.engine.fail(op, Fault::Refused);
        let spec = bench.spec("1");
        driver.start(spec.clone()).await.expect_err("it cannot start");
        bench.is_clean().await;
        driver.start(bench.spec("2")).await.expect("the next attempt starts");
        driver.destroy(&bench.spec("2").meta.id, true).await.expect("destroyed");
        bench.is_clean().await;
    }
}

#[tokio::test]
async fn an_image_that_vanishes_before_its_container_is_made_is_got_once_more() {
    let bench = Bench::new();
    let driver = bench.driver();
    bench.engine.fail(Op::Create, Fault::ImageUnavailable);
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    assert_eq!((bench.engine.calls(Op::EnsureImage), bench.engine.calls(Op::Create)), (2, 2));
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_server_that_is_away_fails_the_start_as_something_that_may_pass() {
    let bench = Bench::new();
    bench.vault.fail(Some(Kind::Unavailable));
    let driver = bench.driver();
    let error = driver.start(bench.spec("1")).await.expect_err("no server");
    assert_eq!(error.class(), Class::BackendUnavailable);
    assert!(error.recoverable());
    bench.vault.fail(None);
    bench.is_clean().await;
}

#[tokio::test]
async fn a_forged_environment_or_label_makes_nobody_else() {
    let bench = Bench::new();
    bench.vault.role("jwt", "other", Duration::from_secs(3600));
    let driver = bench.driver();
    let mut spec = bench.spec("1");
    let names = [
        ("NOMAD_NAMESPACE", "default"),
        ("NOMAD_JOB_ID", "shop"),
        ("NOMAD_JOB_NAME", "shop"),
        ("NOMAD_GROUP_NAME", "front"),
        ("NOMAD_TASK_NAME", "web"),
        ("NOMAD_ALLOC_ID", "550e8400"),
    ];
    for (name, _) in names {
        spec.env.insert(name.to_owned(), SecretString::new("other"));
        spec.container.labels.insert(name.to_lowercase(), "other".to_owned());
    }
    spec.templates[0].source = names.map(|(name, _)| format!("{{{{ env \"{name}\" }}}}")).join(" ");
    driver.start(spec.clone()).await.expect("its own rule covers it");
    assert_eq!(bench.file(&spec, "app.env"), names.map(|(_, value)| value).join(" "));
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_template_that_never_has_enough_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.rules = rules(Rule { paths: vec!["kv/data/chain/*".into(), DB.into()], ..Rule::default() });
    let driver = bench.driver_with(settings);
    let depth = 30;
    for at in 0..depth {
        bench.vault.put_kv(&format!("kv/data/chain/{at}"), json!({ "next": format!("kv/data/chain/{}", at + 1) }));
    }
    let mut spec = bench.spec("1");
    let first = "{{ with secret \"kv/data/chain/0\" }}".to_owned();
    let further = "{{ with secret .Data.data.next }}".repeat(depth - 1);
    spec.templates[0].source = first + &further + &"{{ end }}".repeat(depth);
    let error = driver.start(spec).await.expect_err("each round makes another known");
    assert_eq!(error.class(), Class::TemplateLimit);
    assert!(error.message().contains("after 16 rounds"), "{error}");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_path_without_data_is_looked_for_once() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    settings.rules = rules(Rule { paths: vec!["kv/**".into(), DB.into()], ..Rule::default() });
    let driver = bench.driver_with(settings);
    bench.vault.deny("kv/shop");
    let mut spec = bench.spec("1");
    spec.templates[0].source = "{{ with secret \"kv/shop\" }}{{ .Data.data.api_key }}{{ end }}".to_owned();
    driver.start(spec.clone()).await.expect("it lies below data");
    let asked = bench.vault.count("kv version");
    for word in ["second", "third"] {
        bench.vault.put_kv(KV, json!({ "api_key": word }));
        until("the change arrives", || bench.file(&spec, "app.env") == word).await;
    }
    assert_eq!((asked, bench.vault.count("kv version")), (1, 1));
    driver.destroy(&spec.meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn what_no_rule_allows_is_refused_without_a_request() {
    let bench = Bench::new();
    let driver = bench.driver();
    let mut spec = bench.spec("1");
    spec.secrets[0].path = "kv/data/other".parse().expect("a path");
    let error = driver.start(spec).await.expect_err("no rule");
    assert_eq!(error.class(), Class::PolicyRefused);
    assert!(error.message().contains("kv/data/other"), "{error}");
    assert_eq!(bench.vault.count("login"), 0);
    assert!(bench.engine.created().is_empty());
}

#[tokio::test]
async fn the_next_process_goes_on_without_a_login_a_signal_or_a_new_credential() {
    let bench = Bench::new();
    let spec = bench.spec("1");
    let first = bench.driver();
    let state = first.start(spec.clone()).await.expect("it starts").state;
    let container = bench.engine.running()[0].clone();
    first.shutdown().await;

    let second = bench.driver();
    second.recover(&spec.meta, None, &state).await.expect("recovered");
    bench.change(&container).await;
    assert_eq!(bench.file(&spec, "db/password"), "word-1");
    assert_eq!(bench.vault.count("login"), 1);
    assert_eq!(bench.engine.starts(&container), 1);
    second.stop(&spec.meta.id, Duration::from_millis(10), None).await.expect("stopped");
    second.destroy(&spec.meta.id, false).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn a_running_task_that_nobody_asks_for_is_undone_after_the_grace() {
    let bench = Bench::new();
    let first = bench.driver();
    first.start(bench.spec("1")).await.expect("it starts");
    first.shutdown().await;

    let second = bench.driver();
    let prints = second.fingerprints();
    let watcher = tokio::spawn(futures_util::StreamExt::for_each(prints, |_| async {}));
    bench.is_clean().await;
    watcher.abort();
}

#[tokio::test]
async fn a_revocation_that_the_server_missed_is_done_when_it_is_back() {
    let bench = Bench::new();
    let driver = bench.driver();
    let spec = bench.spec("1");
    driver.start(spec.clone()).await.expect("it starts");
    let watcher = tokio::spawn(futures_util::StreamExt::for_each(driver.fingerprints(), |_| async {}));
    bench.vault.fail(Some(Kind::Unavailable));
    driver.destroy(&spec.meta.id, true).await.expect("destroyed all the same");
    assert_eq!(bench.vault.live_tokens(), 1);

    bench.vault.fail(None);
    bench.is_clean().await;
    watcher.abort();
}

#[tokio::test]
async fn the_same_id_is_not_started_twice() {
    let bench = Bench::new();
    let driver = bench.driver();
    driver.start(bench.spec("1")).await.expect("it starts");
    let error = driver.start(bench.spec("1")).await.expect_err("it runs");
    assert_eq!(error.class(), Class::TaskExists);
    assert_eq!(bench.engine.running().len(), 1);
    driver.destroy(&bench.spec("1").meta.id, true).await.expect("destroyed");
    bench.is_clean().await;
}

#[tokio::test]
async fn unknown_tasks_are_stopped_and_destroyed_without_complaint() {
    let bench = Bench::new();
    let driver = bench.driver();
    let id = "x/y/z".parse().expect("an id");
    driver.stop(&id, Duration::from_secs(1), None).await.expect("fine");
    driver.destroy(&id, true).await.expect("fine");
    assert_eq!(driver.wait(&id).await.expect_err("unknown").class(), Class::TaskUnknown);
}
