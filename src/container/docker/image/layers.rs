//! Adds up what the engine tells about each layer of a pull.

use std::collections::HashMap;

use bollard::models::CreateImageInfo;

use crate::container::PullProgress;

/// What is known about each layer.
#[derive(Default)]
pub(super) struct Layers(HashMap<String, Layer>);

#[derive(Default)]
struct Layer {
    bytes: u64,
    total: u64,
    done: bool,
}

impl Layers {
    pub(super) fn note(&mut self, line: CreateImageInfo) {
        let (Some(id), Some(status)) = (line.id, line.status) else { return };
        // The first line bears the tag as its id.
        if status.starts_with("Pulling from") {
            return;
        }
        let layer = self.0.entry(id).or_default();
        layer.done |= matches!(status.as_str(), "Already exists" | "Pull complete");
        let detail = line.progress_detail.filter(|_| status == "Downloading");
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        if let Some(detail) = detail {
            layer.bytes = number(detail.current).unwrap_or(layer.bytes);
            layer.total = number(detail.total).unwrap_or(layer.total);
        }
        if status == "Download complete" {
            layer.bytes = layer.total;
        }
    }

    pub(super) fn sum(&self) -> PullProgress {
        let count = |layers: usize| u32::try_from(layers).unwrap_or(u32::MAX);
        PullProgress {
            queued: false,
            layers: count(self.0.len()),
            layers_done: count(self.0.values().filter(|layer| layer.done).count()),
            bytes: self.0.values().map(|layer| layer.bytes).sum(),
            bytes_total: self.0.values().map(|layer| layer.total).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn progress_is_summed_over_layers() {
        let line = |id: &str, status: &str, bytes: i64| CreateImageInfo {
            id: Some(id.into()),
            status: Some(status.into()),
            progress_detail: Some(ProgressDetail { current: Some(bytes), total: Some(100) }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        for (id, status, bytes) in
            [("1", "Pulling from a", 0), ("x", "Downloading", 40), ("y", "Downloading", 9), ("x", "Pull complete", 0)]
        {
            layers.note(line(id, status, bytes));
        }
        let sum = PullProgress { layers: 2, layers_done: 1, bytes: 49, bytes_total: 200, queued: false };
        assert_eq!(layers.sum(), sum);
    }
}
