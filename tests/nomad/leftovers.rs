//! Finds and removes what an agent leaves when it is killed: processes, mounts, containers, control groups.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    mount::{UnmountFlags, unmount},
    process::{Pid, Signal, kill_process},
};

/// The variable that an agent's descendants inherit and by which they are known.
pub const MARK: &str = "STRONGBOX_TEST_AGENT";

/// Returns the living processes that descend from the agent whose directory is `root`.
pub fn processes(root: &Path) -> Vec<Pid> {
    let mark = format!("{MARK}={}", root.display());
    let ours = |pid: &Pid| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = numbers.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(ours).collect()
}

/// Returns the program that a process runs; the file may have been replaced meanwhile.
pub fn program(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Kills every process that descends from the agent, also those that appear meanwhile.
pub fn kill_all(root: &Path) {
    for _ in 0..100 {
        let left = processes(root);
        if left.is_empty() {
            return;
        }
        for pid in left {
            kill_process(pid, Signal::KILL).ok();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Returns what is mounted below `root`, innermost first.
pub fn mounts(root: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").expect("readable");
    let points = table.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    let mut below: Vec<PathBuf> = points.filter(|point| point.starts_with(root)).collect();
    below.reverse();
    below
}

/// Unmounts everything below `root`.
pub fn unmount_all(root: &Path) {
    for point in mounts(root) {
        unmount(point, UnmountFlags::DETACH).ok();
    }
}

/// Returns the ids of the containers of the installation below `root`, in whatever state; none when it never came up.
pub fn containers(root: &Path) -> Vec<String> {
    let Ok(mark) = fs::read_to_string(root.join("state/installation")) else { return Vec::new() };
    let filter = format!("label=strongbox.instance={}", mark.trim());
    let output = Command::new("docker").args(["ps", "-aq", "--no-trunc", "--filter", &filter]).output();
    let output = output.expect("docker runs; run `make setup`");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Removes an installation's containers.
pub fn remove_containers(root: &Path) {
    for container in containers(root) {
        Command::new("docker").args(["rm", "-f", "-v", &container]).output().ok();
    }
}

/// Removes the control groups that the agent made below the name it was given, with either version of them.
pub fn remove_control_groups(name: &str) {
    let root = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    for parent in controllers.chain([root.to_path_buf()]) {
        remove_group(&parent.join(name));
    }
}

/// A group can be removed once it has no groups below it; its files are the kernel's.
fn remove_group(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&entry.path());
        }
    }
    fs::remove_dir(group).ok();
}
