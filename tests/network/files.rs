//! The files by which a task finds names.

use strongbox::{
    domain::{Dns, Isolation},
    driver::TaskDriver,
};

use crate::bench::{Bench, SLEEP};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_finds_its_allocation_by_name_in_a_file_that_it_cannot_write() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let (task, _) = bench.sleeper("web", &network).await;
    let hosts = bench.sh(&task, "cat /etc/hosts").await;
    assert!(hosts.contains("127.0.0.1\tlocalhost\n") && hosts.ends_with("172.26.64.3\tshop"), "{hosts}");
    assert!(bench.sh(&task, "echo 1.2.3.4 evil >>/etc/hosts; true").await.is_empty());
    assert!(!bench.sh(&task, "cat /etc/hosts").await.contains("evil"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_is_kept_for_agents_that_tell_it_only_once() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.sleeper("web", &network).await;
    let mut later = bench.task("later", SLEEP, &network);
    if let Isolation::Group(group) = &mut later.isolation {
        group.host = None;
    }
    bench.driver.start(later.clone()).await.expect("it starts");
    assert!(bench.sh(&later, "cat /etc/hosts").await.ends_with("172.26.64.3\tshop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_resolved_as_the_group_says() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let mut task = bench.task("web", SLEEP, &network);
    task.dns = Dns {
        servers: vec!["127.0.0.53".into()],
        searches: vec!["shop.internal".into()],
        options: vec!["ndots:2".into()],
    };
    bench.driver.start(task.clone()).await.expect("it starts");
    let text = bench.sh(&task, "cat /etc/resolv.conf").await;
    assert_eq!(text, "nameserver 127.0.0.53\nsearch shop.internal\noptions ndots:2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_go_with_the_task() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let (task, _) = bench.sleeper("web", &network).await;
    let files = bench.path("run/net").join(task.meta.id.key().as_str());
    assert!(files.join("hosts").exists());
    bench.driver.destroy(&task.meta.id, true).await.expect("destroyed");
    crate::bench::until("the files are gone", || !files.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_of_a_group_finds_its_own_hosts_and_not_its_neighbours() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    bench.plumb(&network);
    let mut one = bench.task("one", SLEEP, &network);
    one.container.network.extra_hosts = vec!["db:10.0.0.9".into(), "outside:host-gateway".into(), "six:[::1]".into()];
    let mut two = bench.task("two", SLEEP, &network);
    two.container.network.extra_hosts = vec!["cache:10.0.0.8".into()];
    for task in [&one, &two] {
        bench.driver.start(task.clone()).await.expect("it starts");
    }
    let hosts = bench.sh(&one, "cat /etc/hosts").await;
    assert!(hosts.ends_with("172.26.64.3\tshop\n10.0.0.9\tdb\n172.26.64.1\toutside\n::1\tsix"), "{hosts}");
    let hosts = bench.sh(&two, "cat /etc/hosts").await;
    assert!(hosts.ends_with("172.26.64.3\tshop\n10.0.0.8\tcache"), "{hosts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached_is_no_address() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let mut task = bench.task("web", SLEEP, &network);
    task.container.network.extra_hosts = vec!["outside:host-gateway".into()];
    let error = bench.refused(task).await;
    assert!(
        error.to_string().contains("outside:host-gateway") && error.to_string().contains("give an address"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_group_says_how_it_resolves_names_unless_the_group_does() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let mut task = bench.task("web", SLEEP, &network);
    task.container.network.dns_servers = vec!["10.0.0.53".into()];
    task.container.network.dns_options = vec!["ndots:3".into()];
    bench.driver.start(task.clone()).await.expect("it starts");
    assert_eq!(bench.sh(&task, "cat /etc/resolv.conf").await, "nameserver 10.0.0.53\noptions ndots:3");
    let mut task = bench.task("later", SLEEP, &network);
    task.container.network.dns_servers = vec!["10.0.0.53".into()];
    task.dns = Dns { servers: vec!["10.0.0.54".into()], ..Dns::default() };
    bench.driver.start(task.clone()).await.expect("it starts");
    assert_eq!(bench.sh(&task, "cat /etc/resolv.conf").await, "nameserver 10.0.0.54");
}
