//! Real mounts, in a directory of the test's own. They need root.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{Mode, OFlags, open, openat};

use super::{Error, SecretsDir, Settings, Tmpfs, room::Room};
use crate::domain::{FileSet, Generation, OutputFile, Owner, SecretBytes, TaskId, TaskKey};

const OWNER: Owner = Owner { uid: 4711, gid: 4712 };
/// Only ends a test that hangs; a busy machine needs half a minute.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// A runtime directory that unmounts and removes all that was made in it.
struct Bench {
    home: tempfile::TempDir,
    tmpfs: Tmpfs,
}

impl Bench {
    fn new() -> Self {
        Self::sized(4 << 20)
    }

    fn sized(size_bytes: u64) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "mounting a tmpfs needs root: run these tests as root (make test)"
        );
        let home = tempfile::tempdir().expect("a temporary directory");
        let tmpfs = Tmpfs::new(Settings { runtime_dir: home.path().join("run"), size_bytes, require_noswap: false });
        Self { home, tmpfs }
    }

    fn runtime_dir(&self) -> PathBuf {
        self.home.path().join("run")
    }

    fn mount_point(&self) -> PathBuf {
        self.runtime_dir().join("tasks").join(key().as_str())
    }

    fn create(&self) -> SecretsDir {
        self.tmpfs.create(&key()).expect("a fresh directory")
    }

    fn open(&self) -> SecretsDir {
        self.tmpfs.open(&key()).expect("the directory opens").expect("the directory is there")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for key in self.tmpfs.list().unwrap_or_default() {
            self.tmpfs.remove(&key).ok();
        }
    }
}

fn key() -> TaskKey {
    "alloc/task/12345678".parse::<TaskId>().expect("an id").key()
}

fn set(files: &[(&str, &str)]) -> FileSet {
    let file = |text: &str| OutputFile::new(SecretBytes::new(text), 0o400);
    let named = |(path, text): &(&str, &str)| (path.parse().expect("a good path"), file(text));
    FileSet { files: files.iter().map(named).collect() }
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn is_mount(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    mounts.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}

#[test]
fn a_fresh_directory_is_ram_private_and_not_swapped() {
    let bench = Bench::new();
    let dir = bench.create();
    let stat = fs::metadata(dir.mount_point()).expect("the mount point");
    assert_eq!((stat.uid(), stat.mode() & 0o7777), (0, 0o700));
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let line = mounts.lines().find(|line| line.split(' ').nth(4) == dir.mount_point().to_str()).expect("our mount");
    for option in ["nosuid", "nodev", "noexec", "size=4096k"] {
        assert!(line.contains(option), "{option} in {line}");
    }
    assert_eq!(dir.swap_exposed(), !line.contains("noswap"));
}

#[test]
fn files_have_their_owner_and_mode_and_so_have_their_folders() {
    let bench = Bench::new();
    let dir = bench.create();
    let mut files = set(&[("db/password", "p"), ("app.env", "e")]);
    dir.publish(&files, OWNER, Generation(1)).expect("it fits");
    let of = |path: &str| {
        let stat = fs::metadata(dir.bind_source().join(path)).expect(path);
        (stat.uid(), stat.gid(), stat.mode() & 0o7777)
    };
    for (path, mode) in [("", 0o500), ("db", 0o500), ("db/password", 0o400), ("app.env", 0o400)] {
        assert_eq!(of(path), (OWNER.uid, OWNER.gid, mode), "{path:?}");
    }
    files.files.values_mut().for_each(|file| file.mode = 0o6440);
    dir.publish(&files, OWNER, Generation(2)).expect("it fits");
    for (path, mode) in [("", 0o550), ("db", 0o550), ("db/password", 0o440)] {
        assert_eq!(of(path), (OWNER.uid, OWNER.gid, mode), "{path:?}");
    }
}

#[test]
fn what_was_published_is_read_back() {
    let bench = Bench::new();
    let dir = bench.create();
    assert_eq!((dir.current(), dir.read_current().expect("nothing")), (None, FileSet::default()));
    let files = set(&[("a/b/c", "deep"), ("a/d", ""), ("e", "flat")]);
    dir.publish(&files, OWNER, Generation(3)).expect("it fits");
    assert_eq!(dir.read_current().expect("the set"), files);
    let again = bench.open();
    assert_eq!((again.current(), again.read_current().expect("the set")), (Some(Generation(3)), files));
}

#[test]
fn a_generation_that_is_not_newer_is_refused() {
    let bench = Bench::new();
    let dir = bench.create();
    dir.publish(&set(&[("a", "2")]), OWNER, Generation(2)).expect("it fits");
    let refused = dir.publish(&set(&[("a", "x")]), OWNER, Generation(2));
    assert!(matches!(refused, Err(Error::Stale { given: Generation(2), current: Generation(2) })));
    assert_eq!(dir.read_current().expect("the set"), set(&[("a", "2")]));
}

#[test]
fn names_that_come_and_go_never_dangle() {
    let bench = Bench::new();
    let dir = bench.create();
    let all_resolve = |step: &str, wanted: &[(&str, &str)]| {
        for name in names(&dir.bind_source()).iter().filter(|name| !name.starts_with("..link") && *name != "..data-new")
        {
            assert!(fs::metadata(dir.bind_source().join(name)).is_ok(), "{name} dangles when {step}");
        }
        for (name, text) in wanted {
            assert_eq!(fs::read_to_string(dir.bind_source().join(name)).expect(step), *text, "{name} when {step}");
        }
    };
    let (old, new) = ([("stays", "1"), ("goes", "1")], [("stays", "2"), ("comes", "2")]);
    dir.publish(&set(&old), OWNER, Generation(1)).expect("it fits");
    all_resolve("published", &old);
    dir.prepare(&set(&new), OWNER, Generation(2)).expect("it fits");
    all_resolve("prepared", &old);
    dir.switch(Generation(2)).expect("one rename");
    all_resolve("switched", &new);
    assert_eq!(fs::read_to_string(dir.bind_source().join("goes")).expect("not yet gone"), "1");
    dir.settle().expect("links");
    all_resolve("settled", &new);
    assert_eq!(names(&dir.bind_source()), ["..data", "..gen-1", "..gen-2", "comes", "stays"].map(str::to_owned).into());
}

#[test]
fn a_set_that_does_not_fit_leaves_the_old_one() {
    let bench = Bench::sized(256 << 10);
    let dir = bench.create();
    let small = set(&[("a", "old"), ("goes", "old")]);
    dir.publish(&small, OWNER, Generation(1)).expect("it fits");
    let before = names(&dir.bind_source());
    let large = "x".repeat(300 << 10);
    match dir.publish(&set(&[("a", &large)]), OWNER, Generation(2)) {
        Err(Error::NoSpace { need, have }) => assert!(need > 300 << 10 && have < 256 << 10, "{need} {have}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((dir.read_current().expect("the set"), names(&dir.bind_source())), (small, before));
}

#[test]
fn a_directory_that_fills_up_while_writing_keeps_the_old_set() {
    let bench = Bench::sized(256 << 10);
    let dir = bench.create();
    let small = set(&[("a", "old")]);
    dir.publish(&small, OWNER, Generation(1)).expect("it fits");
    let before = names(&dir.bind_source());
    fs::write(dir.mount_point().join("filler"), vec![1; 200 << 10]).expect("the host fills it");
    let medium = "x".repeat(100 << 10);
    // Past the check of the room, as when somebody else takes it in the meantime.
    let error = dir.prepare(&set(&[("a", "new"), ("b", &medium)]), OWNER, Generation(2)).expect_err("it cannot fit");
    assert!(error.is_no_space(), "{error:?}");
    let error = dir.publish(&set(&[("a", "new"), ("b", &medium)]), OWNER, Generation(2)).expect_err("it cannot fit");
    assert!(matches!(error, Error::NoSpace { .. }), "{error:?}");
    bench.open();
    assert_eq!((dir.read_current().expect("the set"), names(&dir.bind_source())), (small, before));
}

#[test]
fn too_many_files_leave_the_old_set() {
    let bench = Bench::sized(8 << 20);
    let dir = bench.create();
    let small = set(&[("a", "old")]);
    dir.publish(&small, OWNER, Generation(1)).expect("it fits");
    let many: Vec<String> = (0..3000).map(|n| format!("d/{n}")).collect();
    let many: Vec<_> = many.iter().map(|path| (path.as_str(), "")).collect();
    let refused = dir.publish(&set(&many), OWNER, Generation(2));
    assert!(matches!(refused, Err(Error::NoInodes { .. })), "{refused:?}");
    assert_eq!(dir.read_current().expect("the set"), small);
}

#[test]
fn superseded_generations_go_when_room_is_short() {
    let bench = Bench::sized(256 << 10);
    let dir = bench.create();
    let text = "x".repeat(90 << 10);
    for generation in 1..=5 {
        dir.publish(&set(&[("a", &text)]), OWNER, Generation(generation)).expect("the oldest makes room");
    }
    assert_eq!(names(&dir.bind_source()), ["..data", "..gen-4", "..gen-5", "a"].map(str::to_owned).into());
}

#[test]
fn what_publishing_takes_is_not_more_than_was_reckoned() {
    let bench = Bench::new();
    let dir = bench.create();
    let long = "n".repeat(255);
    let files = set(&[("a/b/c", "x"), ("a/b/d", &"y".repeat(5000)), (&long, "z"), ("e", "")]);
    let (need, before) = (Room::of(&files), Room::free(dir.data()).expect("room"));
    dir.publish(&files, OWNER, Generation(1)).expect("it fits");
    let after = Room::free(dir.data()).expect("room");
    assert!(before.bytes - after.bytes <= need.bytes, "{before:?} {after:?} {need:?}");
    assert!(before.inodes - after.inodes <= need.inodes, "{before:?} {after:?} {need:?}");
}

/// Reads one whole set as a careful program does: `..data` is resolved once.
fn read_once(data: &Path) -> Option<Vec<String>> {
    let dir = open(data.join("..data"), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let read = |name: &str| {
        let fd = openat(&dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut text = String::new();
        fs::File::from(fd).read_to_string(&mut text).ok()?;
        Some(text)
    };
    ["cert.pem", "sub/key.pem", "count"].into_iter().map(read).collect()
}

fn rotated(generation: u64) -> FileSet {
    let length = usize::try_from(generation % 97).expect("small") + 1;
    let body = format!("{generation}\n").repeat(length);
    set(&[("cert.pem", &body), ("sub/key.pem", &body), ("count", &format!("{generation} {length}"))])
}

/// Returns the generation of a set, or what is wrong with it.
fn judge(set: &[String]) -> Result<u64, String> {
    let (generation, length) = set[2].split_once(' ').ok_or("short count")?;
    let length: usize = length.parse().map_err(|_| "short count")?;
    let whole = format!("{generation}\n").repeat(length);
    let generation = generation.parse().map_err(|_| "no number")?;
    if set[0] == whole && set[1] == whole { Ok(generation) } else { Err(format!("mixed: {set:?}")) }
}

#[test]
fn readers_see_whole_sets_over_a_thousand_rotations() {
    let bench = Bench::new();
    let dir = bench.create();
    dir.publish(&rotated(1), OWNER, Generation(1)).expect("it fits");
    let rotations = std::env::var("ROTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let last: u64 = rotations + 1;
    let (data, done) = (dir.bind_source(), AtomicBool::new(false));
    let (sets, files) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let careful = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let set = read_once(&data).ok_or("a file is missing")?;
                let generation = judge(&set)?;
                (generation >= last).then_some(()).ok_or("went back")?;
                last = generation;
                sets.fetch_add(1, Ordering::SeqCst);
            }
            Ok::<_, String>(last)
        });
        let plain = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let text = fs::read_to_string(data.join("cert.pem")).map_err(|e| e.to_string())?;
                let first = text.lines().next().ok_or("an empty file")?;
                let length = first.parse::<usize>().map_err(|e| e.to_string())? % 97 + 1;
                (text == format!("{first}\n").repeat(length)).then_some(()).ok_or("a short file")?;
                files.fetch_add(1, Ordering::SeqCst);
            }
            Ok::<_, String>(())
        });
        let limit = Instant::now() + TIME_LIMIT;
        for generation in 2..=last {
            // Changes are coalesced over seconds, so a reader is never overtaken by three of them. Here each reader gets one
            // whole turn between two rotations instead.
            let seen = (sets.load(Ordering::SeqCst), files.load(Ordering::SeqCst));
            dir.publish(&rotated(generation), OWNER, Generation(generation)).expect("it fits");
            let behind = || sets.load(Ordering::SeqCst) == seen.0 || files.load(Ordering::SeqCst) == seen.1;
            while behind() && !careful.is_finished() && !plain.is_finished() && Instant::now() < limit {
                thread::yield_now();
            }
        }
        // One more turn, so that the last set is seen.
        let seen = sets.load(Ordering::SeqCst);
        while sets.load(Ordering::SeqCst) < seen + 2 && !careful.is_finished() && Instant::now() < limit {
            thread::yield_now();
        }
        done.store(true, Ordering::SeqCst);
        assert_eq!(careful.join().expect("no panic"), Ok(last));
        assert_eq!(plain.join().expect("no panic"), Ok(()));
    });
    assert_eq!(names(&dir.bind_source()).iter().filter(|name| name.starts_with("..gen-")).count(), 4);
}

#[test]
fn the_record_is_replaced_whole_and_read_by_root_only() {
    let bench = Bench::new();
    let dir = bench.create();
    assert_eq!(dir.read_record().expect("no record"), None);
    for text in ["one", "another"] {
        dir.write_record(&SecretBytes::new(text)).expect("it fits");
        assert_eq!(dir.read_record().expect("the record"), Some(SecretBytes::new(text)));
    }
    let stat = fs::metadata(dir.mount_point().join("record")).expect("the file");
    assert_eq!((stat.uid(), stat.mode() & 0o7777), (0, 0o600));
    assert_eq!(names(dir.mount_point()), ["data", "record"].map(str::to_owned).into());
}

#[test]
fn planted_links_are_not_followed() {
    let bench = Bench::new();
    let dir = bench.create();
    let victim = bench.home.path().join("victim");
    fs::create_dir(&victim).expect("a victim");
    fs::write(victim.join("file"), "untouched").expect("its file");
    let data = dir.bind_source();
    for name in ["..gen-1", "..data-new", "..link-new", "a", "d"] {
        symlink(&victim, data.join(name)).expect("a link");
    }
    for name in ["record", "record-new"] {
        symlink(victim.join("file"), dir.mount_point().join(name)).expect("a link");
    }
    assert!(matches!(dir.read_record(), Err(Error::Foreign { .. })));
    dir.publish(&set(&[("a", "1"), ("d/file", "1")]), OWNER, Generation(1)).expect("the links are replaced");
    dir.write_record(&SecretBytes::new("r")).expect("the links are replaced");
    assert_eq!(dir.read_current().expect("the set"), set(&[("a", "1"), ("d/file", "1")]));
    symlink(&victim, dir.mount_point().join("way-out")).expect("a link");
    dir.remove().expect("removal");
    assert_eq!(fs::read_to_string(victim.join("file")).expect("the victim"), "untouched");
    assert_eq!(names(&victim).len(), 1);
    assert_eq!(fs::metadata(&victim).expect("the victim").uid(), 0);
}

#[test]
fn a_link_or_an_open_directory_on_the_way_is_refused() {
    let bench = Bench::new();
    let runtime = bench.runtime_dir();
    symlink("/tmp", &runtime).expect("a link");
    assert!(matches!(bench.tmpfs.create(&key()), Err(Error::Foreign { .. })));
    fs::remove_file(&runtime).expect("the link goes");

    fs::create_dir(&runtime).expect("a directory");
    fs::set_permissions(&runtime, fs::Permissions::from_mode(0o755)).expect("a mode");
    let refused = bench.tmpfs.create(&key()).expect_err("open to others").to_string();
    assert!(refused.contains("0755") && refused.contains("0700"), "{refused}");
    fs::remove_dir(&runtime).expect("the directory goes");

    fs::set_permissions(bench.home.path(), fs::Permissions::from_mode(0o777)).expect("a mode");
    assert!(matches!(bench.tmpfs.create(&key()), Err(Error::UnsafeDirectory { .. })));
    fs::set_permissions(bench.home.path(), fs::Permissions::from_mode(0o700)).expect("a mode");

    fs::create_dir_all(runtime.join("tasks")).expect("directories");
    for dir in [&runtime, &runtime.join("tasks")] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).expect("a mode");
    }
    symlink("/tmp", bench.mount_point()).expect("a link");
    assert!(matches!(bench.tmpfs.create(&key()), Err(Error::Foreign { .. })));
    fs::remove_file(bench.mount_point()).expect("the link goes");
}

#[test]
fn a_plain_directory_is_no_secrets_directory() {
    let bench = Bench::new();
    bench.create().remove().expect("removal");
    assert!(bench.tmpfs.open(&key()).expect("nothing there").is_none());
    fs::create_dir(bench.mount_point()).expect("made, and killed before the mount");
    assert!(bench.tmpfs.open(&key()).expect("nothing in it").is_none());
    fs::write(bench.mount_point().join("record"), "on disk").expect("a file");
    assert!(matches!(bench.tmpfs.open(&key()), Err(Error::NotRam { .. })));
    bench.create();
}

#[test]
fn a_crash_leaves_nothing_that_opening_does_not_mend() {
    let bench = Bench::new();
    let dir = bench.create();
    for generation in 1..=2 {
        dir.publish(&set(&[("a", "whole"), ("b", "whole")]), OWNER, Generation(generation)).expect("it fits");
    }
    let data = dir.bind_source();
    dir.prepare(&set(&[("a", "half"), ("c", "half")]), OWNER, Generation(3)).expect("it fits");
    symlink("..gen-3", data.join("..data-new")).expect("a link");
    symlink("..data/x", data.join("..link-new")).expect("a link");
    fs::write(dir.mount_point().join("record-new"), "half").expect("a file");
    dir.probe().expect("a mark");
    drop(dir);

    let dir = bench.open();
    assert_eq!(dir.read_current().expect("the set"), set(&[("a", "whole"), ("b", "whole")]));
    assert_eq!(names(&data), ["..data", "..gen-1", "..gen-2", "a", "b"].map(str::to_owned).into());
    assert!(names(&data).iter().all(|name| fs::metadata(data.join(name)).is_ok()));
    assert_eq!(names(dir.mount_point()), ["data"].map(str::to_owned).into());
}

#[test]
fn a_crash_after_the_switch_keeps_the_new_set() {
    let bench = Bench::new();
    let dir = bench.create();
    dir.publish(&set(&[("a", "1"), ("b", "1")]), OWNER, Generation(1)).expect("it fits");
    dir.prepare(&set(&[("a", "2"), ("c", "2")]), OWNER, Generation(2)).expect("it fits");
    dir.switch(Generation(2)).expect("one rename");
    let dir = bench.open();
    assert_eq!(dir.read_current().expect("the set"), set(&[("a", "2"), ("c", "2")]));
    assert_eq!(names(&dir.bind_source()), ["..data", "..gen-1", "..gen-2", "a", "c"].map(str::to_owned).into());
}

#[test]
fn removal_wipes_unmounts_and_may_be_repeated() {
    let bench = Bench::new();
    let dir = bench.create();
    dir.publish(&set(&[("a", "secret")]), OWNER, Generation(1)).expect("it fits");
    let mut held = fs::File::open(dir.bind_source().join("a")).expect("a reader");
    assert_eq!(bench.tmpfs.list().expect("keys"), [key()]);
    // Our own handle and the reader's keep the mount busy.
    bench.tmpfs.remove(&key()).expect("removal");
    let mut left = Vec::new();
    held.read_to_end(&mut left).expect("the handle still works");
    assert_eq!(left, [0; 6]);
    assert!(!is_mount(&bench.mount_point()) && !bench.mount_point().exists());
    dir.remove().expect("removed already");
    bench.tmpfs.remove(&key()).expect("removed already");
    assert_eq!(bench.tmpfs.list().expect("keys"), []);
}

#[test]
fn a_leftover_of_the_same_key_is_replaced() {
    let bench = Bench::new();
    let old = bench.create();
    old.publish(&set(&[("a", "old")]), OWNER, Generation(9)).expect("it fits");
    let new = bench.create();
    assert_eq!((new.current(), new.read_record().expect("no record")), (None, None));
    new.publish(&set(&[("a", "new")]), OWNER, Generation(1)).expect("it fits");
}

#[test]
fn a_mark_is_found_and_cleared() {
    let bench = Bench::new();
    let dir = bench.create();
    let probe = dir.probe().expect("a mark");
    assert_eq!(fs::read_to_string(dir.bind_source().join(&probe.name)).expect("the mark"), probe.contents);
    assert!(probe.name.starts_with("..probe-"));
    dir.clear_probe(&probe).expect("cleared");
    dir.clear_probe(&probe).expect("nothing left");
    assert_eq!(names(&dir.bind_source()), BTreeSet::new());
}
