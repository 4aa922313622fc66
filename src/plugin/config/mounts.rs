//! A job's typed mounts.

use super::{
    container::map,
    fields::{Fields, quoted},
};
use crate::domain::{MountKind, MountRequest, VolumeDriver};

/// Largest tmpfs that a job may ask for, 1 TiB: more is a mistake.
const TMPFS_MAX: i64 = 1 << 40;

/// Reads the blocks under both of their names.
pub(super) fn mounts(fields: &mut Fields<'_>) -> Vec<MountRequest> {
    ["mount", "mounts"].into_iter().flat_map(|name| fields.blocks(name)).map(mount).collect()
}

fn mount(mut block: Fields<'_>) -> MountRequest {
    let (tmpfs_size, tmpfs_mode) = tmpfs(&mut block);
    let (no_copy, labels, driver) = volume(&mut block);
    let mount = MountRequest {
        kind: kind(&mut block),
        target: block.required_text("target"),
        source: block.text("source"),
        read_only: block.flag("readonly").unwrap_or_default(),
        propagation: propagation(&mut block),
        tmpfs_size,
        tmpfs_mode,
        no_copy,
        labels,
        driver,
    };
    match (mount.kind, &mount.source) {
        (MountKind::Tmpfs, Some(_)) => block.flaw("source", "is given, but a tmpfs has none"),
        (MountKind::Bind, None) => block.flaw("source", "is missing; a bind needs the path to mount"),
        _ => (),
    }
    block.finish();
    mount
}

fn kind(block: &mut Fields<'_>) -> MountKind {
    match block.text("type").as_deref() {
        None | Some("volume") => MountKind::Volume,
        Some("bind") => MountKind::Bind,
        Some("tmpfs") => MountKind::Tmpfs,
        Some(other) => {
            block.flaw("type", format_args!("{} is unknown; give volume, bind or tmpfs", quoted(other)));
            MountKind::default()
        }
    }
}

fn propagation(block: &mut Fields<'_>) -> Option<String> {
    let mut options = block.block_or_empty("bind_options");
    let propagation = options.text("propagation");
    options.finish();
    propagation
}

/// The mode is a plain number, as the peers have it: 511 is what `chmod` calls 0777.
fn tmpfs(block: &mut Fields<'_>) -> (Option<i64>, Option<u32>) {
    let mut options = block.block_or_empty("tmpfs_options");
    let size = options.whole("size", 0..=TMPFS_MAX).filter(|size| *size > 0);
    let mode = options.whole("mode", 0..=0o1777).filter(|mode| *mode > 0).and_then(|mode| u32::try_from(mode).ok());
    options.finish();
    (size, mode)
}

type VolumeOptions = (bool, std::collections::BTreeMap<String, String>, Option<VolumeDriver>);

fn volume(block: &mut Fields<'_>) -> VolumeOptions {
    let mut options = block.block_or_empty("volume_options");
    let (no_copy, labels) = (options.flag("no_copy").unwrap_or_default(), map(&mut options, "labels"));
    let driver = options.block("driver_config").map(|mut config| {
        let driver = VolumeDriver { name: config.required_text("name"), options: map(&mut config, "options") };
        config.finish();
        driver
    });
    options.finish();
    (no_copy, labels, driver)
}
