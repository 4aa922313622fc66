//! Networks of an engine of our own, where they disturb nobody: several of them, names, fixed addresses, published ports.

use std::net::IpAddr;

use strongbox::{
    domain::{Isolation, Port, TaskSpec},
    driver::{Class, NetworkMade, Started, TaskDriver},
};

use crate::{
    bench::{Bench, LIMIT, SLEEP},
    private_engine::{Mounts, Options, PrivateEngine},
};

async fn bench(engine: &PrivateEngine) -> Bench {
    engine.docker(&["network", "create", "--subnet", "10.213.1.0/24", "shop"]);
    engine.docker(&["network", "create", "--subnet", "10.213.2.0/24", "back"]);
    Bench::with(|settings| {
        settings.container.socket = engine.socket();
        settings.container.modes.network = ["bridge", "none", "shop", "back", "gone"].map(str::to_owned).into();
    })
    .await
}

fn engine() -> PrivateEngine {
    PrivateEngine::start(Options { mounts: Mounts::Shared, live_restore: false })
}

/// A task with a network of its own.
fn task(bench: &Bench, name: &str, mode: &str, script: &str) -> TaskSpec {
    let none = NetworkMade { path: "/".into(), container: String::new(), hostname: None, created: false };
    let mut task = bench.task(name, script, &none);
    task.isolation = Isolation::None;
    task.container.network.mode = Some(mode.into());
    task
}

async fn start(bench: &Bench, task: &TaskSpec) -> Started {
    bench.driver.start(task.clone()).await.expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_lives_in_several_networks_under_its_names() {
    let engine = engine();
    let bench = bench(&engine).await;
    let serve = "echo hello >/local/word; exec httpd -f -p 8080 -h /local";
    let mut server = task(&bench, "server", "shop", serve);
    server.container.network.also = vec!["back".into(), "bridge".into()];
    server.container.network.aliases = vec!["words".into()];
    server.container.network.ipv4_address = Some([10, 213, 1, 77].into());
    let started = start(&bench, &server).await;
    assert_eq!(bench.sh(&server, "ls /sys/class/net | grep -c eth").await, "3");
    for network in ["shop", "back"] {
        let client = task(&bench, &format!("client-{network}"), network, SLEEP);
        start(&bench, &client).await;
        let ask = "until wget -qO- http://words:8080/word; do usleep 50000; done";
        assert_eq!(bench.sh(&client, ask).await, "hello", "in {network}");
    }
    let told = started.network.expect("it has an address of its own");
    assert_eq!((told.addr.as_str(), told.auto_advertise), ("10.213.1.77", true), "that of the network it was made in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_not_there_is_named_and_leaves_nothing() {
    let engine = engine();
    let bench = bench(&engine).await;
    let mut also = task(&bench, "also", "shop", SLEEP);
    also.container.network.also = vec!["gone".into()];
    for task in [also, task(&bench, "first", "gone", SLEEP)] {
        let error = bench.driver.start(task).await.expect_err("it is refused");
        assert!(matches!(error.class(), Class::EngineRefused { .. }), "{error}");
        assert!(error.to_string().contains("gone"), "the network is named: {error}");
        assert_eq!(engine.docker(&["ps", "-aq"]), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_the_operator_does_not_list_is_refused() {
    let engine = engine();
    let bench = bench(&engine).await;
    engine.docker(&["network", "create", "--subnet", "10.213.3.0/24", "secret"]);
    let mut also = task(&bench, "also", "shop", SLEEP);
    also.container.network.also = vec!["secret".into()];
    let error = bench.driver.start(also).await.expect_err("it is refused");
    assert_eq!(error.class(), Class::PolicyRefused);
    assert!(error.to_string().contains("allowed_modes.network"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_published_for_what_it_says_and_nothing_else() {
    let engine = engine();
    let bench = bench(&engine).await;
    let mut task = task(&bench, "web", "bridge", SLEEP);
    let port = |label: &str, host| Port { label: label.into(), host, to: host + 1, host_ip: None };
    task.ports = vec![port("plain", 20080), port("grams", 20082), port("both", 20084), port("kept", 20086)];
    let ports = ["plain", "grams/udp", "both/tcp+udp"].map(|port| port.parse().expect("a port"));
    task.container.network.ports = ports.into();
    let started = start(&bench, &task).await;
    let container = bench.driver.inspect(&task.meta.id).await.expect("known").attributes["container_id"].clone();
    let mut published: Vec<String> = engine.docker(&["port", &container]).lines().map(str::to_owned).collect();
    published.sort();
    let lines = [
        "20081/tcp -> 127.0.0.1:20080",
        "20083/udp -> 127.0.0.1:20082",
        "20085/tcp -> 127.0.0.1:20084",
        "20085/udp -> 127.0.0.1:20084",
    ];
    assert_eq!(published, lines);
    let told = started.network.expect("told");
    assert_eq!(
        told.ports,
        [("both", 20085), ("grams", 20083), ("plain", 20081)].map(|(l, p)| (l.to_owned(), p)).into()
    );
    assert!(
        told.addr.parse::<IpAddr>().is_ok() && !told.auto_advertise,
        "the engine's bridge is not announced: {told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_network_of_its_own_the_engine_knows_the_jobs_hosts_and_servers() {
    let engine = engine();
    let bench = bench(&engine).await;
    let mut task = task(&bench, "web", "bridge", SLEEP);
    task.container.network.extra_hosts = vec!["db:10.0.0.9".into(), "outside:host-gateway".into()];
    task.container.network.dns_servers = vec!["10.0.0.53".into()];
    task.container.network.dns_search_domains = vec!["shop.internal".into()];
    start(&bench, &task).await;
    let hosts = bench.sh(&task, "cat /etc/hosts").await;
    let gateway = engine.docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge"]);
    assert!(hosts.contains("10.0.0.9\tdb") && hosts.contains(&format!("{gateway}\toutside")), "{hosts}");
    let resolv = bench.sh(&task, "cat /etc/resolv.conf").await;
    assert!(resolv.contains("nameserver 10.0.0.53") && resolv.contains("search shop.internal"), "{resolv}");
    assert!(tokio::time::timeout(LIMIT, bench.driver.destroy(&task.meta.id, true)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_address_is_told_where_the_job_asks_for_it() {
    let engine = engine();
    let bench = bench(&engine).await;
    engine.docker(&["network", "rm", "back"]);
    engine.docker(&["network", "create", "--ipv6", "--subnet", "fd00:213::/64", "--subnet", "10.213.2.0/24", "back"]);
    let mut task = task(&bench, "web", "back", SLEEP);
    task.container.network.advertise_ipv6 = true;
    let told = start(&bench, &task).await.network.expect("told");
    assert!(told.addr.starts_with("fd00:213::") && told.auto_advertise, "{told:?}");
}
