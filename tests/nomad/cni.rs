//! A network plugin for the agent: one that gives a group's namespace an interface with an address, and reaches nothing.
//!
//! A mode `none` would need none, but agents before 1.10 end with a nil pointer when a driver makes the network of such a group
//! and tells the labels of the built-in driver, and later ones fail the allocation.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// The address that each group gets: the namespaces do not meet.
pub const ADDRESS: &str = "127.77.0.2";

/// What the plugin does, by the first version of its protocol that an agent speaks. Loopback is asked for apart.
const PLUGIN: &str = r#"#!/bin/sh
in_group() { nsenter --net="$CNI_NETNS" "$@"; }
case "$CNI_COMMAND:${0##*/}" in
  VERSION:*) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.0","0.3.1","0.4.0"]}' ;;
  ADD:loopback)
    in_group ip link set lo up
    echo '{"cniVersion":"0.4.0","interfaces":[{"name":"lo","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"version":"4","address":"127.0.0.1/8","interface":0}]}'
    ;;
  ADD:*)
    in_group ip link add "$CNI_IFNAME" type veth peer name "$CNI_IFNAME-peer" && in_group ip addr add ADDRESS/32 dev "$CNI_IFNAME" && in_group ip link set "$CNI_IFNAME" up || exit 1
    echo '{"cniVersion":"0.4.0","interfaces":[{"name":"'"$CNI_IFNAME"'","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"version":"4","address":"ADDRESS/32","interface":0}]}'
    ;;
esac
"#;

const NETWORK: &str = r#"{ "cniVersion": "0.4.0", "name": "together", "plugins": [{ "type": "strongbox-test" }] }"#;

/// Puts the plugin and its network `together` where the agent looks.
pub fn install(root: &Path) {
    let (programs, configs) = (root.join("cni/bin"), root.join("cni/config"));
    fs::create_dir_all(&programs).expect("a directory");
    fs::create_dir_all(&configs).expect("a directory");
    for name in ["loopback", "strongbox-test"] {
        let path = programs.join(name);
        fs::write(&path, PLUGIN.replace("ADDRESS", ADDRESS)).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("changed");
    }
    fs::write(configs.join("together.conflist"), NETWORK).expect("written");
}
