//! Making, finding, joining and removing a network.

use strongbox::driver::TaskDriver;

use crate::bench::{Bench, docker, inode, inside, inspect};

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_made_once_and_found_afterwards_by_this_process_and_the_next() {
    let bench = Bench::new().await;
    let made = bench.network().await;
    assert!(made.created);
    let pid = inspect(&made.container)["State"]["Pid"].as_u64().expect("it runs");
    assert_eq!(inode(&made.path), inode(format!("/proc/{pid}/ns/net").as_ref()), "the path leads to its namespace");
    let again = bench.network().await;
    assert_eq!((again.created, &again.container, &again.path), (false, &made.container, &made.path));
    let next = bench.anew().await;
    let found = bench.network_by(&next).await;
    assert_eq!((found.created, &found.container), (false, &made.container));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plumbed_network_is_found_and_kept() {
    let bench = Bench::new().await;
    let made = bench.network().await;
    bench.plumb(&made);
    bench.sleeper("web", &made).await;
    let found = bench.network_by(&bench.anew().await).await;
    assert_eq!((found.created, found.container), (false, made.container));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_that_holds_it_may_do_nothing_and_does_not_come_back() {
    let bench = Bench::new().await;
    let made = bench.network().await;
    let known = inspect(&made.container);
    let host = &known["HostConfig"];
    assert_eq!(host["RestartPolicy"]["Name"], "no");
    assert_eq!((&host["NetworkMode"], &host["ReadonlyRootfs"]), (&"none".into(), &true.into()));
    assert_eq!((&host["CapDrop"][0], host["CapAdd"].is_null()), (&"ALL".into(), true));
    assert!(host["Memory"].as_i64().is_some_and(|bytes| (1..=32 << 20).contains(&bytes)), "{host}");
    assert!(host["PidsLimit"].as_i64().is_some_and(|most| (1..=32).contains(&most)), "{host}");
    assert_eq!(known["Config"]["User"], "65534:65534");
    assert_eq!(known["Config"]["Hostname"], "shop");
    let labels = &known["Config"]["Labels"];
    assert_eq!(labels["strongbox.role"], "pause");
    assert_eq!(labels["strongbox.alloc_id"], bench.alloc.as_str());
    assert_eq!(labels["strongbox.instance"], bench.instance().as_str());
    assert!(!known["Name"].as_str().expect("a name").contains('-'), "{}", known["Name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_group_talk_over_loopback_and_share_a_host_name() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let server = bench.task("server", "echo hello >/local/word; exec httpd -f -p 127.0.0.1:8080 -h /local", &network);
    bench.driver.start(server.clone()).await.expect("it starts");
    let (client, _) = bench.sleeper("client", &network).await;
    let ask = "until wget -qO- http://localhost:8080/word; do usleep 10000; done";
    assert_eq!(bench.sh(&client, ask).await, "hello");
    assert_eq!(bench.sh(&client, "hostname").await, "shop");
    assert_eq!(bench.sh(&server, "readlink /proc/self/ns/net").await, format!("net:[{}]", inode(&network.path)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_plumbs_is_what_a_task_sees() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let (task, _) = bench.sleeper("web", &network).await;
    assert!(bench.sh(&task, "ip -4 addr show eth0").await.contains("172.26.64.3/20"));
    assert!(inside(&network, "ip route").contains("default via 172.26.64.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_removed_by_its_marks_though_nothing_is_noted_of_it() {
    let bench = Bench::new().await;
    let made = bench.network().await;
    let namespace = inode(&made.path);
    std::fs::remove_dir_all(bench.path("state/networks")).expect("the notes");
    let next = bench.anew().await;
    next.destroy_network(&bench.alloc).await.expect("removed");
    assert_eq!(bench.containers(), [""; 0]);
    next.destroy_network(&bench.alloc).await.expect("none is fine");
    next.destroy_network("never-heard-of").await.expect("an unknown one is fine");
    // The engine leaves an empty file for a while.
    assert!(!made.path.exists() || inode(&made.path) != namespace, "the namespace has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_ends_at_once_is_named_and_leaves_nothing() {
    let bench = Bench::with(|settings| {
        settings.network.infra_image = "strongbox/busybox:1".parse().expect("a reference");
    })
    .await;
    let wanted = strongbox::driver::NetworkRequest { alloc_id: bench.alloc.clone(), hostname: None };
    let error = bench.driver.create_network(wanted).await.expect_err("it is refused");
    assert!(error.to_string().contains("strongbox/busybox:1") && error.to_string().contains("infra_image"), "{error}");
    assert_eq!(bench.containers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_name_that_is_none_is_refused() {
    let bench = Bench::new().await;
    for name in ["a b", "a\nb", "x/y"] {
        let wanted = strongbox::driver::NetworkRequest { alloc_id: bench.alloc.clone(), hostname: Some(name.into()) };
        let error = bench.driver.create_network(wanted).await.expect_err("it is refused");
        assert!(error.to_string().contains("hostname"), "{error}");
    }
    assert_eq!(docker(&["ps", "-aq", "--filter", &format!("label=strongbox.alloc_id={}", bench.alloc)]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_to_the_making_leaves_one_container() {
    let proxy = crate::proxy::Proxy::new();
    let bench = Bench::with(|settings| settings.container.socket = proxy.socket()).await;
    proxy.swallow_reply("/containers/create");
    let made = bench.network().await;
    assert!(made.created);
    assert_eq!(bench.containers(), [made.container]);
    proxy.swallow_reply("/start");
    bench.driver.destroy_network(&bench.alloc).await.expect("removed");
    let wanted = strongbox::driver::NetworkRequest { alloc_id: bench.alloc.clone(), hostname: None };
    bench.driver.create_network(wanted.clone()).await.expect_err("nobody knows whether it started");
    let again = bench.driver.create_network(wanted).await.expect("made or found");
    assert_eq!(bench.containers(), [again.container]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_death_between_making_and_starting_left_is_made_anew() {
    let bench = Bench::new().await;
    let made = bench.network().await;
    // As it would be found: bearing all marks, never started.
    docker(&["rm", "-f", &made.container]);
    let [alloc, instance] = [bench.alloc.clone(), bench.instance()];
    let labels = [format!("strongbox.alloc_id={alloc}"), format!("strongbox.instance={instance}")];
    let name = strongbox::container::pause_name(&alloc);
    let words = ["create", "--network", "none", "--name", &name, "--label", "strongbox.role=pause"];
    let left = docker(&[&words[..], &["--label", &labels[0], "--label", &labels[1], "strongbox/pause:1"]].concat());
    let again = bench.network_by(&bench.anew().await).await;
    assert!(again.created && again.container != left);
    assert_eq!(bench.containers(), [again.container]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_at_one_time_make_one_network() {
    let bench = Bench::new().await;
    let (one, two) = tokio::join!(bench.network(), bench.network());
    assert_eq!(one.container, two.container);
    assert!(one.created != two.created, "one of them made it");
    assert_eq!(bench.containers(), [one.container]);
}
