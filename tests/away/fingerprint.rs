//! What is told of a node while its engine goes and comes.

use futures_util::{Stream, StreamExt};
use rustix::process::Signal;
use strongbox::{
    driver::{AttributeValue, Driver, Fingerprint, Health, TaskDriver},
    vault,
};

use crate::{
    bench::{Bench, LIMIT, docker},
    private_engine::{Mounts, Options, PrivateEngine},
};

const PLAIN: Options = Options { mounts: Mounts::Shared, live_restore: false };

async fn bench(engine: &PrivateEngine) -> Bench {
    Bench::with(|settings| {
        settings.container.socket = engine.socket();
        // Nobody listens there, which costs the node nothing.
        let address = "http://127.0.0.1:9".to_owned();
        settings.vault = Some(vault::Settings { address, allow_plain_http: true, ..vault::Settings::default() });
    })
    .await
}

/// Waits for a fingerprint of that health.
async fn told(prints: &mut (impl Stream<Item = Fingerprint> + Unpin), health: Health) -> Fingerprint {
    let found = async {
        loop {
            let print = prints.next().await.expect("it never ends");
            if print.health == health {
                return print;
            }
        }
    };
    let print = tokio::time::timeout(LIMIT, found).await;
    print.unwrap_or_else(|_| panic!("{health:?} was not told within {LIMIT:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_told_when_it_comes_and_when_it_goes() {
    let mut engine = PrivateEngine::absent(PLAIN);
    let bench = bench(&engine).await;
    let mut prints = bench.driver.fingerprints();
    let absent = told(&mut prints, Health::Undetected).await;
    assert!(absent.description.contains("no container engine's socket"), "{}", absent.description);
    assert!(absent.description.contains("start the engine or set engine.socket"), "{}", absent.description);

    engine.launch();
    let healthy = told(&mut prints, Health::Healthy).await;
    assert_eq!(healthy.description, "Healthy");

    engine.kill_9();
    let away = told(&mut prints, Health::Unhealthy).await;
    assert!(away.description.contains("no container engine listens at"), "{}", away.description);

    engine.launch();
    told(&mut prints, Health::Healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_is_told_and_one_that_wakes_too() {
    let engine = PrivateEngine::start(PLAIN);
    let bench = bench(&engine).await;
    let mut prints = bench.driver.fingerprints();
    told(&mut prints, Health::Healthy).await;
    engine.signal(Signal::STOP);
    let hung = told(&mut prints, Health::Unhealthy).await;
    engine.signal(Signal::CONT);
    assert!(hung.description.contains("does not answer; look at its log"), "{}", hung.description);
    told(&mut prints, Health::Healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_what_its_engine_has_and_what_its_operator_allows() {
    let bench = Bench::new().await;
    let print = first(&bench.driver).await;
    let info: serde_json::Value = serde_json::from_str(&docker(&["info", "-f", "{{json .}}"])).expect("JSON");
    let text = |name: &str| match &print.attributes[&format!("driver.strongbox.{name}")] {
        AttributeValue::Text(text) => text.clone(),
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(text("engine"), info["ServerVersion"].as_str().expect("told"));
    assert_eq!(text("storage"), info["Driver"].as_str().expect("told"));
    assert_eq!(text("cgroup"), info["CgroupVersion"].as_str().expect("told"));
    assert_eq!(text("cgroup_driver"), info["CgroupDriver"].as_str().expect("told"));
    assert_eq!(text("runtimes.default"), info["DefaultRuntime"].as_str().expect("told"));
    assert!(text("runtimes").split(',').any(|runtime| runtime == "runc"));
    let plugins = info["Plugins"]["Volume"].as_array().expect("told");
    assert_eq!(text("plugins.volume").split(',').count(), plugins.len());
    assert!(text("plugins.network").split(',').any(|plugin| plugin == "bridge"));
    let cdi = info["CDISpecDirs"].as_array().map_or(0, Vec::len);
    assert_eq!(text("cdi").split(',').filter(|dir| !dir.is_empty()).count(), cdi);
    assert_eq!(print.attributes["driver.strongbox.security.seccomp"], AttributeValue::Flag(true));
    assert_eq!(print.attributes["driver.strongbox.policy.allow_host_network"], AttributeValue::Flag(false));
    assert_eq!(print.attributes["driver.strongbox.policy.delivery.allow_env"], AttributeValue::Flag(false));
    assert!(text("policy.allow_caps").contains("CHOWN") && !text("policy.allow_caps").contains("NET_RAW"));
    assert_eq!(print.health, Health::Unhealthy, "this bench has no secrets server");
    assert!(print.description.contains("add a vault block"), "{}", print.description);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_engine_is_told_as_that() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("docker.sock");
    std::fs::write(&file, "").expect("written");
    let bench = Bench::with(|settings| settings.container.socket = file).await;
    let print = first(&bench.driver).await;
    assert_eq!(print.health, Health::Undetected);
    assert!(print.description.contains("is no socket; set engine.socket"), "{}", print.description);
}

async fn first(driver: &Driver) -> Fingerprint {
    driver.fingerprints().next().await.expect("at once")
}
