//! Many tasks that read the same, in time that passes by itself.

use super::{
    changes::{heard, overhear},
    *,
};

const TASKS: usize = 200;
const POLL: Duration = Duration::from_secs(60);

/// Tasks that read one KV path and nothing else, all running.
struct Crowd {
    bench: Bench,
    driver: Driver,
    specs: Vec<TaskSpec>,
}

impl Crowd {
    /// Starts them; from then on nobody waits for a disk, so that time may run ahead.
    async fn start(tasks: usize) -> Self {
        let bench = Bench::new();
        let mut settings = bench.settings();
        settings.refresh = RefreshSettings { kv_poll: POLL, ..RefreshSettings::default() };
        let driver = bench.driver_with(settings);
        bench.vault.role("jwt", "shop", Duration::from_secs(7 * 24 * 3600));
        let of = |number: usize| TaskSpec { secrets: Vec::new(), ..bench.spec(&format!("{number:08}")) };
        let specs: Vec<TaskSpec> = (0..tasks).map(of).collect();
        for spec in &specs {
            driver.start(spec.clone()).await.expect("it starts");
        }
        tokio::time::pause();
        Self { bench, driver, specs }
    }

    fn reads(&self) -> u64 {
        self.bench.vault.count("read")
    }

    /// Writes a new version and returns after how many reads every task shows it.
    async fn change(&self, word: &str) -> u64 {
        let before = self.reads();
        self.bench.vault.put_kv(KV, json!({ "api_key": word }));
        let shown = format!("KEY={word}");
        let is_old = |spec: &&TaskSpec| self.bench.file(spec, "app.env") != shown;
        let end = tokio::time::Instant::now() + POLL * 2;
        while self.specs.iter().any(|spec| is_old(&spec)) {
            assert!(
                tokio::time::Instant::now() < end,
                "{} do not show {word}",
                self.specs.iter().filter(is_old).count()
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.reads() - before
    }

    async fn end(self) {
        tokio::time::resume();
        for spec in &self.specs {
            self.driver.destroy(&spec.meta.id, true).await.expect("destroyed");
        }
        self.bench.is_clean().await;
    }
}

#[tokio::test]
async fn two_hundred_tasks_that_share_a_path_cost_one_read_per_change() {
    let crowd = Crowd::start(TASKS).await;
    assert_eq!(crowd.reads(), TASKS as u64, "each token has shown by itself that it may");
    for word in ["second", "third", "fourth", "fifth"] {
        assert_eq!(crowd.change(word).await, 1, "{word}");
    }
    let before = crowd.reads();
    tokio::time::sleep(POLL * 10).await;
    let polls = crowd.reads() - before;
    assert!((8..=12).contains(&polls), "{polls} reads in ten minutes without a change");
    crowd.end().await;
}

#[tokio::test]
async fn a_refusal_is_heard_by_each_task_itself() {
    let crowd = Crowd::start(5).await;
    let events = overhear(&crowd.driver);
    assert_eq!(crowd.change("second").await, 1);
    let before = crowd.reads();
    crowd.bench.vault.deny(KV);
    until("all have heard", || heard(&events, "is lost").len() == 5).await;
    let reads = crowd.reads() - before;
    assert!(reads >= 5 * 4, "{reads}: three answers that agree and one to a fresh login, for each");
    crowd.end().await;
}
