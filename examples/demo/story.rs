//! Tells what happens, line by line, with times; remembers whether all of it did.

use std::{
    any::Any,
    io::{IsTerminal, Write},
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

/// How often the live line is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// What turns while one waits.
const WHEEL: [char; 4] = ['|', '/', '-', '\\'];
/// Erases the live line.
const ERASE: &str = "\r\x1b[2K";

/// The story so far.
pub struct Story {
    begin: Instant,
    live: bool,
    checks: usize,
    missed: Vec<String>,
}

/// What a check brings: words to tell, further lines indented, or why it did not happen.
pub type Told = Result<String, String>;

impl Story {
    /// Begins; lines are live when somebody watches.
    pub fn begin() -> Self {
        Self { begin: Instant::now(), live: std::io::stdout().is_terminal(), checks: 0, missed: Vec::new() }
    }

    /// Begins an act.
    pub fn act(&self, title: &str) {
        print(&format!("\n{title}\n"));
    }

    /// Says something that is neither good nor bad.
    pub fn say(&self, text: &str) {
        print(&format!("{}   {text}\n", self.clock()));
    }

    /// Waits for a check and tells how it went, and whether it is true. A panic in it is a check that failed.
    pub async fn check(&mut self, title: &str, check: impl Future<Output = Told>) -> bool {
        let begin = Instant::now();
        let told = AssertUnwindSafe(self.watched(title, check)).catch_unwind().await;
        let told = told.unwrap_or_else(|panic| Err(last_words(&*panic)));
        let took = begin.elapsed().as_millis();
        let (mark, words) = match &told {
            Ok(words) => ('✓', words),
            Err(why) => ('✗', why),
        };
        let words = words.replace('\n', &format!("\n{:14}", ""));
        print(&format!("{} {mark} {title}: {words} ({took} ms)\n", self.clock()));
        self.checks += 1;
        self.missed.extend(told.is_err().then(|| title.to_owned()));
        told.is_ok()
    }

    /// Ends the story; `true` when every check was true.
    pub fn end(self) -> bool {
        let total = self.begin.elapsed().as_secs_f64();
        match self.missed.is_empty() {
            true => print(&format!("\nAll of it happened: {} checks in {total:.1} s.\n", self.checks)),
            false => print(&format!("\nDid not happen: {}.\n", self.missed.join("; "))),
        }
        self.missed.is_empty()
    }

    /// Draws a live line while a check runs, where somebody watches.
    async fn watched(&self, title: &str, check: impl Future<Output = Told>) -> Told {
        tokio::pin!(check);
        let begin = Instant::now();
        for turn in (0..WHEEL.len()).cycle() {
            tokio::select! {
                told = &mut check => {
                    if self.live {
                        print(ERASE);
                    }
                    return told;
                }
                () = tokio::time::sleep(FRAME) => {}
            }
            if self.live {
                let waited = begin.elapsed().as_secs_f64();
                print(&format!("{ERASE}{} {} {title} {waited:.1} s", self.clock(), WHEEL[turn]));
            }
        }
        unreachable!("a cycle has no end")
    }

    fn clock(&self) -> String {
        format!("{:>9.3} s", self.begin.elapsed().as_secs_f64())
    }
}

/// Returns what a panic said.
pub fn last_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "it panicked".into())
}

/// Prints; a closed pipe is no reason to fail.
fn print(text: &str) {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
