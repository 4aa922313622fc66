//! The figures in Prometheus' text format.

use std::{fmt, sync::Arc};

use hyper::header::HeaderValue;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::driver::{Figures, TaskFigures};

/// What the page is.
pub(super) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static(prometheus_text::CONTENT_TYPE);

const NS_PER_SECOND: f64 = 1e9;

/// Writes the page.
pub(super) fn write(figures: &Arc<Figures>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("strongbox");
    registry.register_collector(Box::new(View(Arc::clone(figures))));
    let mut page = String::new();
    prometheus_text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct View(Arc<Figures>);

impl Collector for View {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (counts, tasks) = (&self.0.counts, &self.0.tasks);
        one(&mut encoder, "tasks", "Tasks that run", &ConstGauge::new(tasks.len() as u64))?;
        one(&mut encoder, "starts", "Tasks started by this process", &ConstCounter::new(counts.starts))?;
        one(
            &mut encoder,
            "failed_starts",
            "Starts that failed or were refused",
            &ConstCounter::new(counts.failed_starts),
        )?;
        one(
            &mut encoder,
            "recoveries",
            "Tasks taken over from an earlier process",
            &ConstCounter::new(counts.recoveries),
        )?;
        ROWS.iter().try_for_each(|row| row.encode(&mut encoder, tasks))
    }
}

fn one(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// A number that each task has.
struct Row {
    name: &'static str,
    help: &'static str,
    number: Number,
}

enum Number {
    /// It only grows.
    Count(fn(&TaskFigures) -> Option<u64>),
    /// It comes and goes.
    Level(fn(&TaskFigures) -> Option<u64>),
    /// Nanoseconds that only grow, shown in seconds.
    Time(fn(&TaskFigures) -> Option<u64>),
}

use Number::{Count, Level, Time};

const fn row(name: &'static str, help: &'static str, number: Number) -> Row {
    Row { name, help, number }
}

macro_rules! stats {
    ($($part:ident).+) => { |task| Some(task.stats.as_ref()?.$($part).+) };
}

macro_rules! network {
    ($($part:ident).+) => { |task| Some(task.traffic?.network?.$($part).+) };
}

macro_rules! disk {
    ($part:ident) => {
        |task| Some(task.traffic?.disk?.$part)
    };
}

const ROWS: [Row; 17] = [
    row("task_cpu_seconds", "Processor time", Time(stats!(cpu.total_ns))),
    row("task_cpu_throttled_seconds", "Time spent waiting for the processor limit", Time(stats!(cpu.throttled_ns))),
    row(
        "task_memory_usage_bytes",
        "Memory that counts against the limit, page cache included",
        Level(stats!(memory.usage)),
    ),
    row("task_memory_rss_bytes", "Anonymous memory", Level(stats!(memory.rss))),
    row("task_processes", "Processes and threads", Level(|task| task.stats.as_ref()?.pids)),
    row("task_network_receive_bytes", "Bytes received", Count(network!(received.bytes))),
    row("task_network_receive_packets", "Packets received", Count(network!(received.packets))),
    row("task_network_receive_errors", "Damaged packets received", Count(network!(received.errors))),
    row("task_network_receive_drops", "Packets dropped on receipt", Count(network!(received.drops))),
    row("task_network_transmit_bytes", "Bytes sent", Count(network!(sent.bytes))),
    row("task_network_transmit_packets", "Packets sent", Count(network!(sent.packets))),
    row("task_network_transmit_errors", "Packets that could not be sent", Count(network!(sent.errors))),
    row("task_network_transmit_drops", "Packets dropped on sending", Count(network!(sent.drops))),
    row("task_disk_read_bytes", "Bytes read from block devices", Count(disk!(read_bytes))),
    row("task_disk_written_bytes", "Bytes written to block devices", Count(disk!(written_bytes))),
    row("task_disk_reads", "Reads from block devices", Count(disk!(reads))),
    row("task_disk_writes", "Writes to block devices", Count(disk!(writes))),
];

impl Row {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>, tasks: &[TaskFigures]) -> fmt::Result {
        let (kind, read) = match self.number {
            Count(read) | Time(read) => (MetricType::Counter, read),
            Level(read) => (MetricType::Gauge, read),
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        for (task, number) in tasks.iter().filter_map(|task| Some((task, read(task)?))) {
            let labels = labels(task);
            let encoder = family.encode_family(&labels)?;
            match self.number {
                Count(_) => ConstCounter::new(number).encode(encoder)?,
                Level(_) => ConstGauge::new(number).encode(encoder)?,
                Time(_) => ConstCounter::new(number as f64 / NS_PER_SECOND).encode(encoder)?,
            }
        }
        Ok(())
    }
}

fn labels(task: &TaskFigures) -> [(&'static str, &str); 5] {
    let meta = &task.meta;
    [
        ("task_id", meta.id.as_str()),
        ("namespace", &meta.namespace),
        ("job", &meta.job_id),
        ("group", &meta.group),
        ("task", &meta.name),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        container::{CpuStats, DiskTraffic, Flow, MemoryStats, NetworkTraffic, Stats, Traffic},
        domain::TaskMeta,
        driver::Counts,
    };

    fn task(id: &str, job: &str) -> TaskFigures {
        let meta = TaskMeta {
            id: id.parse().expect("an id"),
            name: "app".into(),
            group: "web".into(),
            job_id: job.into(),
            job_name: job.into(),
            namespace: "default".into(),
            alloc_id: "a".into(),
            node_id: "n".into(),
            node_name: "n".into(),
        };
        TaskFigures { meta, stats: None, traffic: None }
    }

    fn page(tasks: Vec<TaskFigures>) -> String {
        let counts = Counts { starts: 3, failed_starts: 1, recoveries: 2 };
        write(&Arc::new(Figures { counts, tasks })).expect("written")
    }

    #[test]
    fn each_number_of_a_task_is_a_line_with_its_labels() {
        let mut one = task("a/app/1", "shop");
        let cpu = CpuStats { total_ns: 1_500_000_000, ..CpuStats::default() };
        let memory = MemoryStats { usage: 4096, ..MemoryStats::default() };
        one.stats = Some(Stats { at: SystemTime::now(), cpu, memory, pids: None });
        let sent = Flow { bytes: 7, ..Flow::default() };
        one.traffic = Some(Traffic {
            network: Some(NetworkTraffic { sent, ..NetworkTraffic::default() }),
            disk: Some(DiskTraffic { written_bytes: 9, ..DiskTraffic::default() }),
        });
        let page = page(vec![one]);
        let labels = r#"{task_id="a/app/1",namespace="default",job="shop",group="web",task="app"}"#;
        for line in [
            format!("strongbox_task_cpu_seconds_total{labels} 1.5"),
            format!("strongbox_task_memory_usage_bytes{labels} 4096"),
            format!("strongbox_task_network_transmit_bytes_total{labels} 7"),
            format!("strongbox_task_disk_written_bytes_total{labels} 9"),
            "strongbox_tasks 1".to_owned(),
            "strongbox_starts_total 3".to_owned(),
            "strongbox_failed_starts_total 1".to_owned(),
            "strongbox_recoveries_total 2".to_owned(),
        ] {
            assert!(page.lines().any(|one| one == line), "{line} is missing in\n{page}");
        }
    }

    #[test]
    fn what_is_not_known_is_no_zero() {
        let page = page(vec![task("a/app/1", "shop")]);
        assert!(!page.contains("a/app/1"), "{page}");
    }

    #[test]
    fn a_jobs_name_cannot_forge_a_line() {
        let mut one = task("a/app/1", "x\"} 1\nstrongbox_tasks 99\\");
        one.traffic = Some(Traffic { network: None, disk: Some(DiskTraffic::default()) });
        let page = page(vec![one]);
        assert!(!page.lines().any(|line| line == "strongbox_tasks 99\\"), "{page}");
        assert!(page.contains(r#"job="x\"} 1\nstrongbox_tasks 99\\""#), "{page}");
    }
}
