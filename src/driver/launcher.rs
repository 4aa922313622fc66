//! Puts a launcher before a container's program, which gives it its variables.
//!
//! The engine keeps a container's environment on disk and shows it to whoever may ask. So the engine is told to start the
//! launcher, a static program of ours that is bound into the container; it reads the values from the task's directory in RAM and
//! becomes the program that the engine would have started.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use sha2::{Digest, Sha256};

use super::{Class, DriverError};
use crate::{
    container::Image,
    domain::{HostMount, TaskSpec},
};

/// The program, which the build has made.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/launcher"));
/// Where a container finds it.
const TARGET: &str = "/.strongbox/launch";
/// Its file's name. Each release's has one of its own.
static NAME: LazyLock<String> = LazyLock::new(|| format!("launch-{}", &hex::encode(Sha256::digest(PROGRAM))[..16]));

/// Returns the task as the engine is to see it: the launcher first, then the words of the program that would have been started.
///
/// # Errors
/// Neither image nor job names a program, or the launcher cannot be put into the state directory.
pub(super) fn before(state_dir: &Path, spec: &TaskSpec, image: &Image) -> Result<TaskSpec, DriverError> {
    let words = words(spec, image);
    if words.is_empty() {
        let text = format!("image {:?} names no program and the job none; set command", image.reference);
        return Err(DriverError::new(Class::TaskConfigInvalid, text));
    }
    let source = install(state_dir)?;
    let mut spec = spec.clone();
    spec.container.entrypoint = Some(vec![TARGET.to_owned()]);
    spec.container.command = None;
    spec.container.args = words;
    spec.mounts.push(HostMount { source, target: TARGET.into(), read_only: true, propagation: String::new() });
    Ok(spec)
}

/// Puts together what the engine would: the job's entrypoint takes the place of the image's and of its command; the job's words
/// take the place of the image's command alone.
fn words(spec: &TaskSpec, image: &Image) -> Vec<String> {
    let options = &spec.container;
    let job: Vec<String> = options.command.iter().chain(&options.args).cloned().collect();
    let entrypoint = options.entrypoint.as_ref().unwrap_or(&image.entrypoint).clone();
    let replaced = options.entrypoint.as_ref().is_some_and(|words| !words.is_empty());
    let command = if job.is_empty() && !replaced { image.command.clone() } else { job };
    entrypoint.into_iter().chain(command).collect()
}

/// Writes the program unless it is there. Those of earlier releases stay: containers that were started with one may be started
/// again.
fn install(state_dir: &Path) -> Result<PathBuf, DriverError> {
    let path = state_dir.join(&*NAME);
    let failed =
        |error: std::io::Error| DriverError::new(Class::StateUnavailable, format!("file {}: {error}", path.display()));
    // Looked at whole: what is bound into containers is what was built, whatever a crash or a hand left there.
    if fs::read(&path).is_ok_and(|bytes| bytes == PROGRAM) {
        return Ok(path);
    }
    let mut file = tempfile::NamedTempFile::new_in(state_dir).map_err(failed)?;
    file.write_all(PROGRAM).map_err(failed)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o555)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture;

    fn image(entrypoint: &[&str], command: &[&str]) -> Image {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Image { entrypoint: words(entrypoint), command: words(command), ..Image::default() }
    }

    fn run(image: &Image, entrypoint: Option<&[&str]>, command: Option<&str>, args: &[&str]) -> Vec<String> {
        let mut task = fixture::task("a/b/1");
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        task.container.entrypoint = entrypoint.map(words);
        task.container.command = command.map(str::to_owned);
        task.container.args = words(args);
        super::words(&task, image)
    }

    #[test]
    fn the_words_are_those_that_the_engine_would_start() {
        let image = image(&["/entry"], &["serve", "-v"]);
        assert_eq!(run(&image, None, None, &[]), ["/entry", "serve", "-v"]);
        assert_eq!(run(&image, None, None, &["-q"]), ["/entry", "-q"]);
        assert_eq!(run(&image, None, Some("check"), &["-q"]), ["/entry", "check", "-q"]);
        assert_eq!(run(&image, Some(&["/mine"]), None, &[]), ["/mine"]);
        assert_eq!(run(&image, Some(&["/mine"]), Some("a"), &["b"]), ["/mine", "a", "b"]);
        assert_eq!(run(&image, Some(&[]), None, &[]), ["serve", "-v"]);
    }

    #[test]
    fn a_container_without_a_program_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut task = fixture::task("a/b/1");
        (task.container.command, task.container.args) = (None, Vec::new());
        let error = before(folder.path(), &task, &image(&[], &[])).expect_err("refused");
        assert_eq!(error.class(), Class::TaskConfigInvalid);
    }

    #[test]
    fn the_program_is_there_once_and_a_spoilt_one_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = install(folder.path()).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o555);
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "spoilt").expect("written");
        assert_eq!(install(folder.path()).expect("written"), path);
        assert_eq!(fs::read(&path).expect("there"), PROGRAM);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }
}
