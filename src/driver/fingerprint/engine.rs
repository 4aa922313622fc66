//! What keeps an engine from serving, each with what to do about it.

use std::{fs, io, os::unix::fs::FileTypeExt, path::Path};

use crate::container::{EngineInfo, Error};

/// The oldest dialect that has all we ask for: that of release 20.10.
const DIALECT: (u32, u32) = (1, 41);

/// Says what is wrong with an engine that answers.
pub(in crate::driver) fn flaw(info: &EngineInfo) -> Option<String> {
    if !matches!(info.os.as_str(), "" | "linux") {
        return Some(format!("the engine runs {} containers; switch it to linux ones", info.os));
    }
    if info.has_security("rootless") {
        return Some(
            "the engine runs without root, where the tasks' users are not known; use one that runs as root".to_owned(),
        );
    }
    match dialect(&info.api_version) {
        Some(found) if found < DIALECT => Some(format!(
            "engine {} speaks API {}; {}.{} is needed: install 20.10 or newer",
            info.version, info.api_version, DIALECT.0, DIALECT.1
        )),
        _ => None,
    }
}

fn dialect(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Says why an engine is not reached, as stable as the cause.
pub(super) fn away(socket: &Path, error: &Error) -> String {
    let shown = socket.display();
    match (fs::metadata(socket), error) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
            format!("there is no container engine's socket at {shown}; start the engine or set engine.socket")
        }
        (Ok(found), _) if !found.file_type().is_socket() => {
            format!("{shown} is no socket; set engine.socket to the container engine's")
        }
        (_, Error::EngineTimeout { .. }) => silent(socket),
        (_, Error::EngineRefused { .. }) => {
            format!("what answers at {shown} is no container engine, or an ill one; look at its log")
        }
        _ => format!("no container engine listens at {shown}; start it or set engine.socket"),
    }
}

/// Says that an engine takes requests and does not answer.
pub(super) fn silent(socket: &Path) -> String {
    format!("the container engine at {} does not answer; look at its log and restart it", socket.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> EngineInfo {
        EngineInfo {
            version: "20.10.24".into(),
            api_version: "1.41".into(),
            os: "linux".into(),
            ..EngineInfo::default()
        }
    }

    #[test]
    fn an_engine_that_cannot_serve_is_told_what_to_change() {
        assert_eq!(flaw(&good()), None);
        let old = flaw(&EngineInfo { api_version: "1.40".into(), ..good() }).expect("too old");
        assert!(old.contains("1.40") && old.contains("install 20.10 or newer"), "{old}");
        let rootless = vec!["name=seccomp,profile=default".into(), "name=rootless".into()];
        assert!(flaw(&EngineInfo { security_options: rootless, ..good() }).expect("rootless").contains("as root"));
        assert!(flaw(&EngineInfo { os: "windows".into(), ..good() }).expect("windows").contains("linux"));
    }

    #[test]
    fn a_newer_dialect_is_newer_by_number() {
        assert_eq!(flaw(&EngineInfo { api_version: "1.100".into(), ..good() }), None);
        assert_eq!(flaw(&EngineInfo { api_version: "2.0".into(), ..good() }), None);
    }

    #[test]
    fn what_is_in_the_sockets_place_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = Error::EngineUnavailable { doing: "ping".into(), why: "no".into() };
        let socket = dir.path().join("docker.sock");
        assert!(away(&socket, &error).contains("no container engine's socket"));
        fs::write(&socket, "").expect("written");
        assert!(away(&socket, &error).contains("is no socket"));
        fs::remove_file(&socket).expect("removed");
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
        assert!(away(&socket, &error).contains("listens"));
    }
}
