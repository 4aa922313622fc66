//! The names under which files and helpers know a registry.

use crate::container::ImageRef;

/// The hub's name in image references.
pub(super) const HUB: &str = "docker.io";
/// The hub's name in files and helpers, as the client that writes them spells it.
const HUB_SERVER: &str = "https://index.docker.io/v1/";
/// Other names of the hub.
const HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// Returns a registry's host in lower case, every name of the hub as `docker.io`.
pub fn canonical_host(host: &str) -> String {
    let lower = host.to_ascii_lowercase();
    if HUB_ALIASES.contains(&lower.as_str()) { HUB.to_owned() } else { lower }
}

/// Returns the host of an address as jobs and files write it: with or without scheme and path.
pub fn host_of_address(address: &str) -> String {
    let key = normal_key(address);
    key.split('/').next().unwrap_or_default().to_owned()
}

/// Returns what a helper is asked for.
pub(super) fn server(host: &str) -> &str {
    if host == HUB { HUB_SERVER } else { host }
}

/// Returns the keys that may hold an image's credential, the most special first: `host/team/app`, `host/team`, `host`.
pub(super) fn keys(image: &ImageRef) -> Vec<String> {
    let host = canonical_host(image.registry());
    let path = path(image);
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let mut keys: Vec<String> = ends.map(|end| format!("{host}/{}", &path[..end])).collect();
    keys.reverse();
    keys.push(host);
    keys
}

/// Returns the repository without its host; the hub's own images lie below `library`.
fn path(image: &ImageRef) -> String {
    let name = image.name();
    match name.split_once('/') {
        Some((host, path)) if host == image.registry() => path.to_owned(),
        None => format!("library/{name}"),
        Some(_) => name.to_owned(),
    }
}

/// Reads a key of a file: with or without scheme, with a path of the registry's own API or a namespace behind the host.
pub(super) fn normal_key(key: &str) -> String {
    let bare = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme)).unwrap_or(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let path = path.trim_end_matches('/');
    let host = canonical_host(host);
    if path.is_empty() || matches!(path, "v1" | "v2") { host } else { format!("{host}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(image: &str) -> Vec<String> {
        keys(&image.parse().expect("a reference"))
    }

    #[test]
    fn the_most_special_key_comes_first() {
        assert_eq!(keys_of("localhost:5000/a/b:1"), ["localhost:5000/a/b", "localhost:5000/a", "localhost:5000"]);
        assert_eq!(keys_of("busybox"), ["docker.io/library/busybox", "docker.io/library", "docker.io"]);
        assert_eq!(keys_of("index.docker.io/me/x"), ["docker.io/me/x", "docker.io/me", "docker.io"]);
    }

    #[test]
    fn keys_of_files_mean_a_host_or_a_namespace() {
        for hub in ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io", "https://index.docker.io/v2"] {
            assert_eq!(normal_key(hub), "docker.io", "{hub}");
        }
        assert_eq!(normal_key("https://Reg.example.com:5000/v2/"), "reg.example.com:5000");
        assert_eq!(normal_key("reg.example.com/team/"), "reg.example.com/team");
        assert_eq!(host_of_address("https://index.docker.io/v1/"), "docker.io");
        assert_eq!(host_of_address("reg.example.com/team"), "reg.example.com");
    }
}
