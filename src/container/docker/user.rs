//! Who a container's process is on the host: numbers at once, names from the container's own files.

use std::io::Read;

use bollard::query_parameters::DownloadFromContainerOptions;
use futures_util::StreamExt;

use crate::{
    container::{ContainerId, Docker, Error, Image, error::shown},
    domain::Owner,
};

use super::client::{SHORT, is_missing, sorted};

/// Most that is read of such a file, its tar frame included.
const FILE_MAX: usize = 1 << 20;
/// Most links that are followed to one.
const LINKS_MAX: usize = 4;

impl Docker {
    pub(super) async fn find_owner(&self, id: &ContainerId, image: &Image, user: Option<&str>) -> Result<Owner, Error> {
        let user = user.filter(|user| !user.is_empty()).unwrap_or(&image.user);
        let inside = match numeric(user) {
            Some(owner) => owner,
            None => self.named_owner(id, image, user).await?,
        };
        let shift = self.id_shift().await?;
        let shifted = |part: u32| part.checked_add(shift).ok_or_else(|| unknown(user, "is beyond the engine's range"));
        Ok(Owner { uid: shifted(inside.uid)?, gid: shifted(inside.gid)? })
    }

    async fn named_owner(&self, id: &ContainerId, image: &Image, user: &str) -> Result<Owner, Error> {
        let key = (image.id.clone(), user.to_owned());
        let known = self.owners.lock().ok().and_then(|owners| owners.get(&key).copied());
        if let Some(owner) = known {
            return Ok(owner);
        }
        let passwd = self.read_file(id, "/etc/passwd").await?;
        let group = match user.split_once(':') {
            Some((_, group)) if group.parse::<u32>().is_err() => self.read_file(id, "/etc/group").await?,
            _ => String::new(),
        };
        let owner = look_up(user, &passwd, &group)?;
        if let Ok(mut owners) = self.owners.lock() {
            owners.insert(key, owner);
        }
        Ok(owner)
    }

    /// Reads a small text file of the container, following links inside it; one that is not there is empty.
    async fn read_file(&self, id: &ContainerId, path: &str) -> Result<String, Error> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            match unpack(&self.download(id, &path).await?) {
                Unpacked::File(text) => return Ok(text),
                Unpacked::Link(target) => path = resolved(&path, &target),
                Unpacked::Nothing => return Ok(String::new()),
            }
        }
        Ok(String::new())
    }

    async fn download(&self, id: &ContainerId, path: &str) -> Result<Vec<u8>, Error> {
        let doing = format!("read {path} of container {id}");
        let api = self.api().await?;
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let read = async {
            let mut pieces = std::pin::pin!(api.download_from_container(id.as_str(), Some(options)));
            let mut bytes = Vec::new();
            while let Some(piece) = pieces.next().await {
                bytes.extend_from_slice(&piece?);
                if bytes.len() > FILE_MAX {
                    break;
                }
            }
            Ok(bytes)
        };
        match tokio::time::timeout(SHORT, read).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(failure)) if is_missing(&failure) => Ok(Vec::new()),
            Ok(Err(failure)) => Err(sorted(&doing, failure)),
            Err(_) => Err(Error::EngineTimeout { doing, after: SHORT }),
        }
    }
}

/// Nobody named is root; so is `root`, whatever a file says.
fn numeric(user: &str) -> Option<Owner> {
    let (name, group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    let uid = if matches!(name, "" | "root") { 0 } else { name.parse().ok()? };
    let gid = match group {
        None => 0,
        Some(group) => group.parse().ok()?,
    };
    Some(Owner { uid, gid })
}

enum Unpacked {
    File(String),
    Link(String),
    Nothing,
}

/// Takes the first entry out of a tar. A file cut at the limit ends with half a line, which names nobody.
fn unpack(bytes: &[u8]) -> Unpacked {
    let mut archive = tar::Archive::new(bytes);
    let Some(Ok(mut entry)) = archive.entries().ok().and_then(|mut entries| entries.next()) else {
        return Unpacked::Nothing;
    };
    if entry.header().entry_type().is_symlink() {
        let target = entry.link_name().ok().flatten().map(|target| target.to_string_lossy().into_owned());
        return target.map_or(Unpacked::Nothing, Unpacked::Link);
    }
    let mut text = Vec::new();
    // An error at the end is the cut; what came before it is good.
    let _ = entry.by_ref().take(FILE_MAX as u64).read_to_end(&mut text);
    Unpacked::File(String::from_utf8_lossy(&text).into_owned())
}

/// Returns where a link leads, inside the container; the engine itself keeps the path below the container's root.
fn resolved(from: &str, target: &str) -> String {
    match (target.starts_with('/'), from.rsplit_once('/')) {
        (false, Some((directory, _))) => format!("{directory}/{target}"),
        _ => target.to_owned(),
    }
}

fn look_up(user: &str, passwd: &str, group: &str) -> Result<Owner, Error> {
    let (name, wanted) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    let line = || passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|line| line[0] == name);
    let field = |line: &[&str], nth: usize| line.get(nth).and_then(|field| field.trim().parse::<u32>().ok());
    let (uid, own) = match (name.parse().ok(), line()) {
        (Some(uid), _) => (uid, 0),
        (None, Some(line)) => match (field(&line, 2), field(&line, 3)) {
            (Some(uid), Some(gid)) => (uid, gid),
            _ => return Err(unknown(user, "has a line in the image's /etc/passwd that cannot be read")),
        },
        (None, None) => return Err(unknown(user, "is not in the image's /etc/passwd")),
    };
    let gid = match wanted {
        None => own,
        Some(wanted) => group_id(wanted, group).ok_or_else(|| unknown(user, "has a group that is not in the image"))?,
    };
    Ok(Owner { uid, gid })
}

fn group_id(wanted: &str, group: &str) -> Option<u32> {
    let listed = || {
        let line = group.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|line| line[0] == wanted)?;
        line.get(2)?.trim().parse().ok()
    };
    wanted.parse().ok().or_else(listed)
}

fn unknown(user: &str, why: &str) -> Error {
    Error::ConfigInvalid { option: format!("user \"{}\"", shown(user)), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:10001:10002:App:/:/bin/sh\nbad:x:y\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:app\n";

    #[test]
    fn numbers_need_no_file() {
        assert_eq!(numeric(""), Some(Owner { uid: 0, gid: 0 }));
        assert_eq!(numeric("1000"), Some(Owner { uid: 1000, gid: 0 }));
        assert_eq!(numeric("1000:7"), Some(Owner { uid: 1000, gid: 7 }));
        assert_eq!((numeric("app"), numeric("1000:staff")), (None, None));
    }

    #[test]
    fn names_are_looked_up() {
        assert_eq!(look_up("app", PASSWD, "").expect("there"), Owner { uid: 10001, gid: 10002 });
        assert_eq!(look_up("app:staff", PASSWD, GROUP).expect("there"), Owner { uid: 10001, gid: 50 });
        assert_eq!(look_up("1000:staff", PASSWD, GROUP).expect("there"), Owner { uid: 1000, gid: 50 });
        for user in ["nobody", "app:nosuch", "1000:nosuch", "bad"] {
            let error = look_up(user, PASSWD, GROUP).expect_err(user);
            assert!(error.to_string().contains(user), "{error}");
        }
    }

    #[test]
    fn a_file_is_taken_out_of_its_tar() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(PASSWD.len() as u64);
        builder.append_data(&mut header, "passwd", PASSWD.as_bytes()).expect("fits");
        let bytes = builder.into_inner().expect("done");
        assert!(matches!(unpack(&bytes), Unpacked::File(text) if text == PASSWD));
        assert!(matches!(unpack(&bytes[..600]), Unpacked::File(text) if PASSWD.starts_with(&text)));
        assert!(matches!(unpack(b"junk"), Unpacked::Nothing));
        assert_eq!(resolved("/etc/passwd", "../run/passwd"), "/etc/../run/passwd");
    }
}
