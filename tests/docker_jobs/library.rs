//! The files.

use std::{fs, path::Path};

use crate::{
    harness::{
        job::{self, Job},
        report::{Report, Source},
    },
    script::Script,
};

/// Where the files lie, in a folder for each theme.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker_jobs");
const ENDING: &str = ".nomad.hcl";

/// A job file.
pub struct File {
    /// Folder and name.
    pub name: String,
    /// What its head says.
    pub script: Script,
    text: String,
}

impl File {
    fn read(path: &Path, name: String) -> Self {
        let text = fs::read_to_string(path).expect("readable");
        let script = Script::read(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        Self { name, script, text }
    }

    /// Returns the job as it is moved over: one word is another. `registry` is the address of the file's own, where it has one.
    pub fn job(&self, registry: &str) -> Result<Job, Report> {
        let moved: Vec<String> = self.text.lines().map(moved).collect();
        let given = self.script.registry.iter().map(|_| ("registry".to_owned(), registry.to_owned())).collect();
        job::parse(&Source::new(&self.name, &moved.join("\n")), &given)
    }
}

fn moved(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words == ["driver", "=", "\"docker\""] { line.replace("docker", "strongbox") } else { line.to_owned() }
}

/// Returns all files in the order of their names.
pub fn files() -> Vec<File> {
    let mut found = Vec::new();
    for theme in fs::read_dir(FOLDER).expect("the folder").map(|entry| entry.expect("an entry").path()) {
        for path in fs::read_dir(&theme).into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
            let name = path.strip_prefix(FOLDER).expect("below it").display().to_string();
            if name.ends_with(ENDING) {
                found.push(File::read(&path, name));
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}
