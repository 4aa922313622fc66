//! Fills a generation and switches to it.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    Error, Result, SecretsDir,
    handle::{Dir, Wipe},
    linger::{Superseded, to_drop},
    links::{self, CURRENT, LINK_NEW},
    probe::PROBE,
    room::Room,
};
use crate::domain::{FileSet, Generation, OutputFile, Owner, RelPath, fail_point};

/// The switch on its way to its name.
const CURRENT_NEW: &str = "..data-new";

impl SecretsDir {
    /// Shows `files` as `generation`, all at once.
    ///
    /// The set is written into a directory that nothing points at, with owners and modes, and then one rename makes it the
    /// current one. On any error before that rename what was current stays as it is and the half-made set is removed.
    pub fn publish(&self, files: &FileSet, owner: Owner, generation: Generation) -> Result<()> {
        let mut superseded = self.superseded();
        let current = self.current();
        if let Some(current) = current.filter(|current| *current >= generation) {
            return Err(Error::Stale { given: generation, current });
        }
        self.make_room(&mut superseded, Room::of(files))?;
        self.prepare(files, owner, generation)
            .and_then(|()| self.switch(generation))
            .inspect_err(|_| self.take_back(generation))
            .map_err(|error| self.with_room(error, files))?;
        fail_point("tmpfs-switched");
        // The new set is shown from here on: what is left is tidying, and the next call does again what fails now.
        self.settle().ok();
        self.data().belong_to(owner, directory_mode(files, owner)).ok();
        superseded.extend(current.map(|generation| Superseded { generation, since: Instant::now() }));
        self.drop_lingering(&mut superseded).ok();
        Ok(())
    }

    /// Returns the generation that is shown, when there is one.
    pub fn current(&self) -> Option<Generation> {
        let target = self.data().read_link(CURRENT).ok().flatten()?;
        let generation = generation_of(&target)?;
        self.data().child(target).ok()?;
        Some(generation)
    }

    /// Returns the files that are shown, so that an unchanged one can be carried over; empty when there are none.
    pub fn read_current(&self) -> Result<FileSet> {
        let mut files = FileSet::default();
        if let Some(generation) = self.current() {
            read_into(&mut files, &self.data().child(name_of(generation))?, None)?;
        }
        Ok(files)
    }

    /// Drops the superseded generations whose readers have had their time.
    pub fn sweep_generations(&self) -> Result<()> {
        self.drop_lingering(&mut self.superseded())
    }

    /// Puts right what a process that died left half-made. Superseded generations begin to linger anew.
    pub(super) fn mend(&self) -> Result<()> {
        let mut superseded = self.superseded();
        self.clear_half_made_record()?;
        let current = self.current();
        let mut older = BTreeSet::new();
        for name in self.data().names()? {
            match name.to_str().and_then(generation_of) {
                Some(generation) if Some(generation) == current => {}
                Some(generation) if Some(generation) < current => drop(older.insert(generation)),
                Some(generation) => self.data().remove(name_of(generation), Wipe::Keep)?,
                None if is_leftover(&name) => self.data().remove(&name, Wipe::Keep)?,
                None => {}
            }
        }
        let since = Instant::now();
        *superseded = older.into_iter().map(|generation| Superseded { generation, since }).collect();
        self.settle()
    }

    /// Fills the hidden directory and bridges the names that come or go.
    pub(super) fn prepare(&self, files: &FileSet, owner: Owner, generation: Generation) -> Result<()> {
        // Links that an earlier call could not settle would be taken for names of the current set.
        self.settle()?;
        let name = name_of(generation);
        self.data().remove(&name, Wipe::Keep)?;
        let dir = self.data().make_child(&name, 0o700)?;
        fill(&dir, files, owner)?;
        fail_point("tmpfs-filled");
        let mode = directory_mode(files, owner);
        // Wider than either set for the moment of the switch, so that neither set's readers are locked out.
        let before = self.data().stat()?.st_mode & 0o777;
        self.data().belong_to(owner, before | mode)?;
        let tops = files.files.keys().map(|path| path.top().into()).collect();
        links::bridge(self.data(), &tops, self.current().map(name_of).as_deref(), &name)
    }

    /// Makes `generation` the current one; this is the one rename.
    pub(super) fn switch(&self, generation: Generation) -> Result<()> {
        self.data().remove(CURRENT_NEW, Wipe::Keep)?;
        self.data().symlink(&name_of(generation), CURRENT_NEW)?;
        self.data().rename(CURRENT_NEW, CURRENT)
    }

    /// Makes the visible names those of the current set.
    pub(super) fn settle(&self) -> Result<()> {
        let tops: BTreeSet<OsString> = match self.current() {
            Some(generation) => self.data().child(name_of(generation))?.names()?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        links::settle(self.data(), &tops)
    }

    /// Removes what was prepared; what cannot be removed now is mended by the next call.
    fn take_back(&self, generation: Generation) {
        self.data().remove(CURRENT_NEW, Wipe::Keep).ok();
        self.data().remove(LINK_NEW, Wipe::Keep).ok();
        // The links leave the generation before it goes.
        self.settle().ok();
        self.data().remove(name_of(generation), Wipe::Keep).ok();
    }

    /// Lets superseded generations go, the oldest first, until there is room.
    fn make_room(&self, superseded: &mut Vec<Superseded>, need: Room) -> Result<()> {
        loop {
            let Err(full) = need.fits(Room::free(self.data())?) else { return Ok(()) };
            let Some(oldest) = superseded.first().copied() else { return Err(full) };
            self.data().remove(name_of(oldest.generation), Wipe::Keep)?;
            superseded.remove(0);
        }
    }

    fn drop_lingering(&self, superseded: &mut Vec<Superseded>) -> Result<()> {
        for generation in to_drop(superseded, Instant::now()) {
            self.data().remove(name_of(generation), Wipe::Keep)?;
            superseded.retain(|one| one.generation != generation);
        }
        Ok(())
    }

    /// Tells need and room when the system only said that it is full.
    fn with_room(&self, error: Error, files: &FileSet) -> Error {
        match (error.is_no_space(), Room::free(self.data())) {
            (true, Ok(free)) => Room::of(files).fits(free).err().unwrap_or(error),
            _ => error,
        }
    }
}

/// Writes all files below `dir` and gives the directories to their owner.
fn fill(dir: &Dir, files: &FileSet, owner: Owner) -> Result<()> {
    for (path, file) in &files.files {
        let parent = path.as_path().parent().unwrap_or(Path::new(""));
        let name = path.as_str().rsplit('/').next().unwrap_or(path.as_str());
        let owner = file.owner.unwrap_or(owner);
        within(dir, parent, |at| at.create_file(name, file.contents.expose(), owner, file.mode))?;
    }
    let folders: BTreeSet<PathBuf> =
        files.files.keys().flat_map(|path| path.as_path().ancestors().skip(1)).map(Path::to_owned).collect();
    let mode = directory_mode(files, owner);
    folders.iter().try_for_each(|folder| within(dir, folder, |at| at.belong_to(owner, mode)))?;
    // An empty set has no folders, but its directory is shown all the same.
    dir.belong_to(owner, mode)
}

/// Calls `act` with the folder `path` below `dir`, made where it is missing.
fn within(dir: &Dir, path: &Path, act: impl FnOnce(&Dir) -> Result<()>) -> Result<()> {
    let mut components = path.iter();
    let Some(first) = components.next() else { return act(dir) };
    within(&dir.make_child(first, 0o700)?, components.as_path(), act)
}

/// Returns a directory's mode: for the owner only, unless a file below is meant for more. Those who own a single file may go
/// through, and see no names.
fn directory_mode(files: &FileSet, owner: Owner) -> u32 {
    let read = files.files.values().fold(0o400, |bits, file| bits | (file.mode & 0o444));
    let others = files.files.values().any(|file| file.owner.is_some_and(|other| other != owner));
    read | (read >> 2) | if others { 0o011 } else { 0 }
}

/// Reads the files below `dir`, whose path within the generation is `at`.
fn read_into(files: &mut FileSet, dir: &Dir, at: Option<&RelPath>) -> Result<()> {
    for name in dir.names()? {
        let foreign = || Error::Foreign { path: dir.path().join(&name), what: "no name that we give" };
        let text = name.to_str().ok_or_else(foreign)?;
        let path = at.map_or_else(|| text.parse(), |at| at.join(text)).map_err(|_| foreign())?;
        if rustix::fs::FileType::from_raw_mode(dir.stat_of(&name)?.ok_or_else(foreign)?.st_mode).is_dir() {
            read_into(files, &dir.child(&name)?, Some(&path))?;
        } else if let Some((contents, mode)) = dir.read_file(&name)? {
            files.files.insert(path, OutputFile::new(contents, mode));
        }
    }
    Ok(())
}

/// Says whether a name is one of those that live only while something is being made.
fn is_leftover(name: &std::ffi::OsStr) -> bool {
    name == CURRENT_NEW || name == LINK_NEW || name.as_encoded_bytes().starts_with(PROBE.as_bytes())
}

fn name_of(generation: Generation) -> String {
    format!("..gen-{generation}")
}

fn generation_of(name: &str) -> Option<Generation> {
    let number = name.strip_prefix("..gen-")?.parse().ok().map(Generation)?;
    // `+7` and `007` parse too, but are not ours.
    (name_of(number) == name).then_some(number)
}
