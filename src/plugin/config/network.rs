//! The operator's words on networks that the tasks of an allocation share.

use std::{ops::RangeInclusive, time::Duration};

use super::fields::Fields;
use crate::driver::NetworkSettings;

/// From no busy loop to a day.
const SPAN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// Reads the block `network`.
pub(super) fn network(fields: &mut Fields<'_>) -> NetworkSettings {
    let default = NetworkSettings::default();
    let mut block = fields.block_or_empty("network");
    let mut span = |name, default| block.duration(name, SPAN).unwrap_or(default);
    let infra_image_pull_timeout = span("infra_image_pull_timeout", default.infra_image_pull_timeout);
    let reap_after = span("reap_after", default.reap_after);
    let infra_image = block.parsed("infra_image").unwrap_or(default.infra_image);
    block.finish();
    NetworkSettings { infra_image, infra_image_pull_timeout, reap_after }
}
