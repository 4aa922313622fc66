//! Networks of other containers.

use strongbox::driver::{Class, TaskDriver};

use crate::bench::{Bench, SLEEP, docker, inode};

/// A container of nobody's, for as long as it is held.
struct Foreign(String);

impl Foreign {
    fn new(labels: &[String]) -> Self {
        let labels: Vec<&str> = labels.iter().flat_map(|label| ["--label", label.as_str()]).collect();
        let words = [&["run", "-d", "--network", "none"], labels.as_slice(), &["strongbox/pause:1"]].concat();
        Self(docker(&words))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        docker(&["rm", "-fv", &self.0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_outside_the_allocation_is_not_joined_unless_the_operator_opens_that() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    // It says that it is of the allocation, and is of another installation.
    let foreign = Foreign::new(&[format!("strongbox.alloc_id={}", bench.alloc), "strongbox.instance=x".into()]);
    let mut task = bench.task("web", SLEEP, &network);
    task.container.network.mode = Some(format!("container:{}", foreign.0));
    let error = bench.refused(task).await;
    assert_eq!(error.class(), Class::PolicyRefused);
    assert!(error.to_string().contains("allowed_modes.network"), "the gate is named: {error}");

    let open = Bench::with(|settings| settings.container.modes.network = vec!["container:*".into()]).await;
    let mut task = open.task("web", SLEEP, &network);
    task.container.network.mode = Some(format!("container:{}", foreign.0));
    open.driver.start(task.clone()).await.expect("it is open");
    assert_eq!(open.sh(&task, "readlink /proc/self/ns/net").await, format!("net:[{}]", of(&foreign.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_network_that_is_not_the_allocations_is_refused() {
    let bench = Bench::new().await;
    let mut network = bench.network().await;
    let foreign = Foreign::new(&[format!("strongbox.alloc_id={}", bench.alloc)]);
    network.container = foreign.0.clone();
    let error = bench.refused(bench.task("web", SLEEP, &network)).await;
    assert_eq!(error.class(), Class::PolicyRefused, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_is_joined_by_its_name_or_its_container() {
    let bench = Bench::new().await;
    let network = bench.network().await;
    let mut own = bench.task("own", SLEEP, &network);
    own.container.network.mode = Some("none".into());
    bench.driver.start(own.clone()).await.expect("it starts");
    let container = bench.driver.inspect(&own.meta.id).await.expect("known").attributes["container_id"].clone();
    for (name, mode) in [("by-name", "task:own".to_owned()), ("by-id", format!("container:{container}"))] {
        let mut task = bench.task(name, SLEEP, &network);
        task.container.network.mode = Some(mode);
        bench.driver.start(task.clone()).await.expect("it starts");
        assert_eq!(bench.sh(&task, "readlink /proc/self/ns/net").await, format!("net:[{}]", of(&container)));
    }
    let mut task = bench.task("lost", SLEEP, &network);
    task.container.network.mode = Some("task:nobody".into());
    let error = bench.refused(task).await;
    assert!(error.recoverable(), "it may come up yet: {error}");
}

fn of(container: &str) -> u64 {
    let pid = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    inode(format!("/proc/{pid}/ns/net").as_ref())
}
