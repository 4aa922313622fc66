//! Images out of a file of the task's own.
//!
//! The file was brought by the job, so it is reached without following a link, and it may bring the job's own image only:
//! any other name that it carries is put back to where it was, since other jobs would run what it names.

use std::{collections::HashMap, fs::File, os::fd::OwnedFd};

use bollard::{
    auth::DockerCredentials,
    query_parameters::{ImportImageOptions, ListImagesOptions, TagImageOptions},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use tokio::io::AsyncReadExt;

use crate::container::{
    Arrival, Docker, Error, Image, ImageRef, ImageWish, TaskFile,
    docker::client::{LONG, SHORT, sorted},
    error::shown,
};

use super::failure::refused;

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;
/// What the engine says of each name that it took.
const LOADED: &str = "Loaded image: ";

impl Docker {
    pub(super) async fn load_image(&self, wish: &ImageWish, file: &TaskFile) -> Result<Image, Error> {
        let open = open(file)?;
        let before = self.tags().await?;
        let names = self.load(wish, file, open).await?;
        self.put_back(wish, &before, &names).await?;
        let found = self.find_image(wish).await?;
        let image = found.ok_or_else(|| other_image(wish, file, &names))?;
        Ok(Image { arrival: Arrival::Loaded, ..image })
    }

    /// Gives the file to the engine and returns the names that it took from it.
    async fn load(&self, wish: &ImageWish, file: &TaskFile, open: File) -> Result<Vec<String>, Error> {
        let doing = format!("load image {} from \"{}\"", wish.reference, shown(&file.path));
        let api = self.api().await?;
        let options = ImportImageOptions { quiet: true, platform: None };
        let body = pieces(tokio::fs::File::from_std(open));
        let mut lines = api.import_image_stream(options, body, None::<HashMap<String, DockerCredentials>>).boxed();
        let mut names = Vec::new();
        let whole = async {
            while let Some(line) = lines.next().await {
                let line = line.map_err(|failure| sorted(&doing, failure))?;
                let text = line.stream.unwrap_or_default();
                names.extend(text.trim().strip_prefix(LOADED).map(str::to_owned));
            }
            Ok(())
        };
        match tokio::time::timeout(wish.timeout, whole).await {
            Ok(outcome) => outcome?,
            Err(_) => return Err(Error::EngineTimeout { doing, after: wish.timeout }),
        }
        Ok(names)
    }

    /// Gives every name that the file had no business to bring back to the image that had it, or takes it away.
    async fn put_back(
        &self,
        wish: &ImageWish,
        before: &HashMap<String, String>,
        names: &[String],
    ) -> Result<(), Error> {
        let wanted = wish.reference.to_string();
        for name in names.iter().filter(|name| full(name) != full(&wanted)) {
            tracing::warn!(image = wanted, name, "A task's image file brought a foreign name; it is put back");
            match before.get(name) {
                Some(id) => self.tag(id, name).await?,
                None => {
                    self.take_image_away(name).await?;
                }
            }
        }
        Ok(())
    }

    async fn tag(&self, id: &str, name: &str) -> Result<(), Error> {
        let Ok(reference) = name.parse::<ImageRef>() else { return Ok(()) };
        let options =
            TagImageOptions { repo: Some(reference.name().to_owned()), tag: reference.tag().map(str::to_owned) };
        let request = |api: bollard::Docker| async move { api.tag_image(id, Some(options)).await };
        self.call(&format!("give image name {name} back"), SHORT, request).await
    }

    /// Returns all names with a tag and the images that have them.
    async fn tags(&self) -> Result<HashMap<String, String>, Error> {
        let request = |api: bollard::Docker| async move { api.list_images(None::<ListImagesOptions>).await };
        let images = self.call("list images", LONG, request).await?;
        let names = images.into_iter().flat_map(|image| {
            let id = image.id;
            image.repo_tags.into_iter().map(move |tag| (tag, id.clone()))
        });
        Ok(names.collect())
    }
}

/// The hub's images have a short and a full name.
fn full(name: &str) -> &str {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

fn other_image(wish: &ImageWish, file: &TaskFile, names: &[String]) -> Error {
    let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
    refused(&wish.reference, &format!("the file \"{}\" holds another image: {}", shown(&file.path), shown(&names)))
}

/// Opens the file one component at a time, so that no link leads out of the directory.
fn open(file: &TaskFile) -> Result<File, Error> {
    let refused = |why: String| Error::PathRefused { option: format!("load \"{}\"", shown(&file.path)), why };
    let folder = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
    // Without waiting, so that a pipe in the file's place does not hang the start.
    let plain = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let step = |at: &OwnedFd, name: &str, flags| {
        openat(at, name, flags, Mode::empty()).map_err(|error| refused(explain(error, name)))
    };
    let mut at = openat(CWD, &file.root, folder, Mode::empty())
        .map_err(|error| refused(format!("the task's directory cannot be opened: {error}")))?;
    let (folders, name) = match file.path.rsplit_once('/') {
        Some((folders, name)) => (folders.split('/').collect(), name),
        None => (Vec::new(), file.path.as_str()),
    };
    for name in folders {
        at = step(&at, name, folder)?;
    }
    let found = step(&at, name, plain)?;
    let kind = fstat(&found).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if kind != Ok(FileType::RegularFile) {
        return Err(refused("is no plain file".to_owned()));
    }
    Ok(File::from(found))
}

fn explain(error: rustix::io::Errno, name: &str) -> String {
    use rustix::io::Errno;
    match error {
        Errno::LOOP | Errno::NOTDIR => format!("\"{}\" is a link or no directory; links are not followed", shown(name)),
        Errno::NOENT => format!("\"{}\" is not there; give a path below the task's local directory", shown(name)),
        other => format!("\"{}\" cannot be opened: {other}", shown(name)),
    }
}

fn pieces(file: tokio::fs::File) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Bytes::from(piece)), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_file_is_reached_without_following_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("local");
        fs::create_dir_all(root.join("a")).expect("made");
        fs::write(root.join("a/image.tar"), "x").expect("written");
        fs::write(dir.path().join("outside.tar"), "x").expect("written");
        symlink("../outside.tar", root.join("link.tar")).expect("linked");
        symlink("..", root.join("up")).expect("linked");
        let at = |path: &str| open(&TaskFile { root: root.clone(), path: path.into() });
        assert!(at("a/image.tar").is_ok());
        for bad in ["link.tar", "up/outside.tar", "a", "absent.tar"] {
            assert!(matches!(at(bad), Err(Error::PathRefused { .. })), "{bad}");
        }
    }
}
