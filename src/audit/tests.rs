//! Chains on a disk: written, torn, touched, turned over, and asked.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use super::{
    entry::samples::{about, at, note},
    file::LogFile,
    *,
};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("audit.log")
    }

    fn log(&self) -> LogFile {
        LogFile::new(self.path(), "here".to_owned(), 1 << 20, 2)
    }

    /// A file with a first line and `count` more.
    fn with(count: u64) -> Self {
        let home = Self::new();
        home.log().add(&(1..=count).map(note).collect::<Vec<_>>()).expect("written");
        home
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("a file")
    }

    fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    fn put(&self, lines: &[String]) {
        fs::write(self.path(), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
    }

    fn report(&self) -> Report {
        verify(&files_of(&self.path()), &[]).expect("readable")
    }

    /// Returns the one flaw that there is.
    fn flaw(&self) -> String {
        let report = self.report();
        assert_eq!(report.flaws.len(), 1, "{:?}", report.flaws);
        report.flaws[0].clone()
    }
}

#[test]
fn a_chain_is_whole_across_processes() {
    let home = Home::with(3);
    let mut other = home.log();
    other.add(&[note(4)]).expect("written");
    let mut first = home.log();
    first.add(&[note(5)]).expect("written");
    other.add(&[note(6)]).expect("the other one has grown it meanwhile");
    let report = home.report();
    assert_eq!((report.lines, &report.flaws, &report.remarks), (7, &vec![], &vec![]));
    assert_eq!(report.head.expect("a head").seq, 6);
    let mode = fs::metadata(home.path()).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let home = Home::with(4);
    let good = fs::read(home.path()).expect("a file");
    for place in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(home.path(), &bad).expect("written");
        assert!(!home.report().flaws.is_empty(), "byte {place}");
    }
    let mut lines = home.lines();
    fs::write(home.path(), &good).expect("written");
    lines.clone_from(&home.lines());
    lines[2] = lines[2].replace("creds/x/2", "creds/x/9");
    home.put(&lines);
    let flaw = home.flaw();
    assert!(flaw.contains("audit.log line 3") && flaw.contains("changed"), "{flaw}");
}

#[test]
fn removed_swapped_and_forged_lines_are_found() {
    let whole = Home::with(5);
    let lines = whole.lines();
    let change = |change: fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        whole.put(&lines);
        whole.report().flaws
    };
    let removed = change(|lines| drop(lines.remove(3)));
    assert!(removed.len() == 1 && removed[0].contains("line 4: number 4 where 3 belongs"), "{removed:?}");
    let swapped = change(|lines| lines.swap(2, 3));
    assert!(!swapped.is_empty() && swapped[0].contains("line 3: number 3 where 2 belongs"), "{swapped:?}");
    let beheaded = change(|lines| drop(lines.remove(0)));
    assert!(beheaded[0].contains("is no beginning"), "{beheaded:?}");
    let other = Home::with(5).lines();
    let mut mixed = lines.clone();
    mixed[3].clone_from(&other[3]);
    whole.put(&mixed);
    // Times differ, so do hashes; equal times would make equal lines.
    assert!(mixed == lines || whole.report().flaws.iter().all(|flaw| flaw.contains("exchanged")));
}

#[test]
fn a_cut_end_shows_against_a_copied_head() {
    let home = Home::with(5);
    let head = home.report().head.expect("a head");
    let files = files_of(&home.path());
    assert!(verify(&files, std::slice::from_ref(&head)).expect("readable").flaws.is_empty());
    let mut lines = home.lines();
    lines.pop();
    home.put(&lines);
    assert!(home.report().flaws.is_empty(), "without a copy nobody can tell");
    let flaws = verify(&files, std::slice::from_ref(&head)).expect("readable").flaws;
    assert!(flaws[0].contains("number 5 is not here"), "{flaws:?}");
    home.log().add(&[about("other", Act::Obtained, 9)]).expect("written");
    let flaws = verify(&files, &[head]).expect("readable").flaws;
    assert!(flaws[0].contains("another hash than its copy"), "{flaws:?}");
}

#[test]
fn a_torn_line_is_told_and_closed_by_the_next_writer() {
    let home = Home::with(3);
    let whole = home.text();
    for keep in [2, 40, 200] {
        let torn = &whole[..whole.len() - keep];
        fs::write(home.path(), torn).expect("written");
        let flaw = home.flaw();
        assert!(flaw.contains("line 4: the last line is cut"), "{flaw}");
        home.log().add(&[note(9)]).expect("written");
        assert!(home.text().starts_with(torn), "nothing is cut away");
        let report = home.report();
        assert_eq!((report.flaws.len(), report.lines), (0, 5), "{:?}", report.flaws);
        assert!(report.remarks[0].contains("torn by a crash"), "{:?}", report.remarks);
    }
    fs::write(home.path(), whole.trim_end()).expect("written");
    home.log().add(&[note(9)]).expect("written");
    assert_eq!((home.report().flaws.len(), home.report().lines), (0, 5), "only the line's end was missing");
    let mut bytes = fs::read(home.path()).expect("a file");
    let at = whole.len() - 300;
    bytes[at] ^= 1;
    fs::write(home.path(), bytes).expect("written");
    assert!(!home.report().flaws.is_empty(), "the torn line itself cannot be changed either");
}

#[test]
fn a_changed_last_line_is_not_taken_for_a_crash() {
    let home = Home::with(3);
    fs::write(home.path(), home.text().replace("creds/x/3", "creds/x/8")).expect("written");
    home.log().add(&[note(9)]).expect("written");
    let flaw = home.flaw();
    assert!(flaw.contains("line 4: was changed or damaged"), "{flaw}");
}

#[test]
fn a_full_file_is_followed_by_another_in_one_chain() {
    let home = Home::new();
    let mut log = LogFile::new(home.path(), "here".to_owned(), 2000, 3);
    for n in 0..30 {
        log.add(&[note(n)]).expect("written");
    }
    let files = files_of(&home.path());
    assert_eq!(files.len(), 4, "three full ones stay");
    let report = home.report();
    assert_eq!(report.flaws, Vec::<String>::new());
    assert!(report.remarks[0].contains("goes on from"), "{:?}", report.remarks);
    fs::remove_file(files.last().expect("the newest")).expect("gone");
    home.log().add(&[note(99)]).expect("a crash between the move and the next file");
    fs::remove_file(&files[2]).expect("gone");
    let torn = verify(&[files[1].clone(), files[3].clone()], &[]).expect("readable").flaws;
    assert!(torn[0].contains("belongs"), "{torn:?}");
}

#[test]
fn what_is_no_chain_is_set_aside_and_what_is_no_file_refused() {
    let home = Home::new();
    fs::write(home.path(), "garbage\nand more\n").expect("written");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o600)).expect("a mode");
    home.log().add(&[note(1)]).expect("written");
    assert!(home.report().flaws.is_empty() && home.text().contains("is now audit.log.bad-"));
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o666)).expect("a mode");
    assert!(matches!(home.log().add(&[note(2)]), Err(Error::Unfit { .. })));
    fs::remove_file(home.path()).expect("gone");
    symlink("/dev/null", home.path()).expect("a link");
    assert!(home.log().add(&[note(2)]).is_err());
}

fn audit(path: &Path, required: bool) -> Audit {
    let settings = Settings { file: Some(path.to_owned()), required, ..Settings::default() };
    Audit::start(&settings, PathBuf::new(), "here").expect("a writer")
}

#[tokio::test]
async fn a_full_disk_stops_who_needs_lines_and_loses_none_of_them() {
    let home = Home::new();
    let path = home.0.path().join("full/audit.log");
    let log = audit(&path, true);
    assert!(log.ready().await.is_ok(), "nothing is known yet");
    log.note(note(1));
    assert!(log.require().await.is_err() && log.ready().await.is_err());
    let lax = audit(&path, false);
    lax.note(note(7));
    assert!(lax.require().await.is_ok() && lax.ready().await.is_ok());
    assert!(lax.settle().await.is_err(), "it is known all the same");
    drop(lax);

    log.note(note(2));
    fs::create_dir(home.0.path().join("full")).expect("there is room again");
    log.ready().await.expect("the waiting lines are written");
    log.note(note(3));
    log.require().await.expect("written");
    let report = verify(&[path], &[]).expect("readable");
    assert_eq!((report.lines, report.flaws.len()), (4, 0));
}

#[tokio::test]
async fn lines_beyond_what_may_wait_are_counted() {
    let home = Home::new();
    let path = home.0.path().join("full/audit.log");
    let log = audit(&path, true);
    (0..5000).for_each(|n| log.note(note(n)));
    assert!(log.require().await.is_err());
    fs::create_dir(home.0.path().join("full")).expect("there is room again");
    log.require().await.expect("written");
    let report = verify(&[path], &[]).expect("readable");
    assert_eq!((report.lines, report.flaws.len()), (4098, 0));
    assert!(report.remarks[0].contains("904 line(s) could not be written"), "{:?}", report.remarks);
}

#[test]
fn who_held_what_is_told_for_every_moment() {
    let home = Home::new();
    let token =
        |event, second| Note { accessor: "a1".to_owned(), kind: Some(Kind::Token), ..about("one", event, second) };
    let lease = |task: &str, event, second, n: u32| Note {
        path: "database/creds/x".to_owned(),
        lease: format!("database/creds/x/{n}"),
        accessor: if task == "one" { "a1" } else { "a2" }.to_owned(),
        ..about(task, event, second)
    };
    let notes = [
        token(Act::Obtained, 10),
        lease("one", Act::Obtained, 11, 1),
        Note { generation: Some(1), ..lease("one", Act::Delivered, 12, 1) },
        lease("two", Act::Obtained, 20, 2),
        lease("one", Act::Obtained, 30, 3),
        lease("one", Act::Revoked, 32, 1),
        token(Act::Revoked, 40),
        about("two", Act::Ended, 50),
        Note { expires: Some(at(70)), ..lease("two", Act::Obtained, 60, 4) },
    ];
    home.log().add(&notes).expect("written");
    let files = files_of(&home.path());
    let leases = |second, wanted: &Wanted| -> Vec<String> {
        let held = holders(&files, wanted, at(second)).expect("readable");
        held.into_iter().map(|held| held.lease).collect()
    };
    let path = Wanted { path: Some("database/*".to_owned()), ..Wanted::default() };
    let ids = |ids: &[u32]| ids.iter().map(|n| format!("database/creds/x/{n}")).collect::<Vec<_>>();
    for (second, held) in [
        (10, &[][..]),
        (11, &[1]),
        (25, &[1, 2]),
        (31, &[1, 2, 3]),
        (35, &[2, 3]),
        (45, &[2]),
        (55, &[]),
        (65, &[4]),
        (75, &[]),
    ] {
        assert_eq!(leases(second, &path), ids(held), "at {second}");
    }
    let first =
        holders(&files, &Wanted { lease: Some(ids(&[1])[0].clone()), ..Wanted::default() }, at(15)).expect("one");
    assert_eq!((first[0].who.task.as_str(), first[0].generation, first[0].since), ("one", Some(1), at(11)));
    let task = Wanted { task: Some("two".to_owned()), ..Wanted::default() };
    assert_eq!(lines_of(&files, &task).expect("readable").len(), 3);
}
