//! The operator's questions to the audit file, asked of the binary.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use strongbox::audit::{Act, Audit, Kind, Note, Settings, Who};

struct Home(tempfile::TempDir);

impl Home {
    fn file(&self) -> PathBuf {
        self.0.path().join("audit.log")
    }

    /// Runs `audit …` on the file; returns whether it went well, and what it printed.
    fn ask(&self, words: &[&str]) -> (bool, String) {
        ask(&self.file(), words)
    }
}

fn ask(file: &Path, words: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_nomad-driver-strongbox"))
        .arg("audit")
        .args(words)
        .args(["--file".as_ref(), file.as_os_str()])
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

fn note(event: Act, task: &str, lease: &str) -> Note {
    let who = Who { job: "shop".into(), task: task.into(), task_id: task.into(), ..Who::default() };
    Note {
        kind: Some(Kind::Secret),
        who: Some(who),
        path: "database/creds/shop".into(),
        lease: lease.into(),
        ..Note::new(event)
    }
}

/// A file in which task `web` held a lease and gave it back, and `worker` holds one.
fn written() -> Home {
    let home = Home(tempfile::tempdir().expect("a directory"));
    let settings = Settings { file: Some(home.file()), ..Settings::default() };
    let audit = Audit::start(&settings, PathBuf::new(), "here").expect("a writer");
    for (event, task, lease) in [
        (Act::Obtained, "web", "lease/1"),
        (Act::Delivered, "web", "lease/1"),
        (Act::Obtained, "worker", "lease/2"),
        (Act::Revoked, "web", "lease/1"),
    ] {
        audit.note(note(event, task, lease));
    }
    drop(audit);
    home
}

#[test]
fn a_whole_file_has_a_head_and_a_touched_one_is_found_out() {
    let home = written();
    let (well, text) = home.ask(&["verify"]);
    assert!(well && text.contains("ok    5 lines") && text.contains("head  4:"), "{text}");
    let head = text.lines().find_map(|line| line.strip_prefix("head  ")).expect("a head").to_owned();
    assert!(home.ask(&["verify", "--head", &head]).0);

    let whole = std::fs::read_to_string(home.file()).expect("a file");
    std::fs::write(home.file(), whole.replacen("worker", "wörker", 1)).expect("written");
    let (well, text) = home.ask(&["verify"]);
    assert!(!well && text.contains("WRONG audit.log line 4"), "{text}");

    let cut: Vec<&str> = whole.lines().take(4).collect();
    std::fs::write(home.file(), cut.join("\n") + "\n").expect("written");
    assert!(home.ask(&["verify"]).0, "nobody can tell without the copied head");
    let (well, text) = home.ask(&["verify", "--head", &head]);
    assert!(!well && text.contains("number 4 is not here"), "{text}");
    let (well, text) = home.ask(&["verify", "--head", "none"]);
    assert!(!well && text.contains("NUMBER:HASH"), "{text}");
}

#[test]
fn who_held_what_is_answered_in_words_and_in_json() {
    let home = written();
    let (found, text) = home.ask(&["who", "--path", "database/*"]);
    assert!(found && text.contains("job=shop") && text.contains("task=worker") && !text.contains("task=web"), "{text}");
    let (found, text) = home.ask(&["who", "--lease", "lease/2", "--json"]);
    let held: serde_json::Value = serde_json::from_str(text.trim()).expect("one line of JSON");
    assert!(found && held["task"] == "worker" && held["lease"] == "lease/2", "{held}");
    let (found, text) = home.ask(&["who", "--job", "shop", "--at", "2020-01-01T03:00:00Z"]);
    assert!(!found && text.is_empty(), "{text}");
    let (found, text) = home.ask(&["show", "--task", "web"]);
    assert!(found && text.lines().count() == 3, "{text}");
    assert!(!home.ask(&["who", "--at", "three o'clock"]).0);
    let (found, text) = ask(Path::new("/nowhere/audit.log"), &["verify"]);
    assert!(!found && text.contains("open audit file /nowhere/audit.log"), "{text}");
}
