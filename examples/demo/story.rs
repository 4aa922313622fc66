//! Tells what happens, line by line, with times; remembers whether all of it did.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often the live line is drawn.
const FRAME: Duration = Duration::from_millis(120);

/// The story so far.
pub struct Story {
    begin: Instant,
    live: bool,
    missed: Vec<String>,
}

/// What a scene brings: words to tell, or why it did not happen.
pub type Told = Result<String, String>;

impl Story {
    /// Begins; lines are live when somebody watches.
    pub fn begin() -> Self {
        Self { begin: Instant::now(), live: std::io::stdout().is_terminal(), missed: Vec::new() }
    }

    /// Says something that is neither good nor bad.
    pub fn say(&self, text: &str) {
        print(&format!("{}   {text}\n", self.clock()));
    }

    /// Plays a scene and tells how it went.
    pub async fn scene(&mut self, title: &str, scene: impl Future<Output = Told>) {
        let begin = Instant::now();
        let told = self.watched(title, scene).await;
        let took = begin.elapsed().as_millis();
        match told {
            Ok(words) => print(&format!("{} ✓ {title}: {words} ({took} ms)\n", self.clock())),
            Err(why) => {
                print(&format!("{} ✗ {title}: {why} ({took} ms)\n", self.clock()));
                self.missed.push(title.to_owned());
            }
        }
    }

    /// Ends the story; `true` when every scene happened.
    pub fn end(self) -> bool {
        let total = self.begin.elapsed().as_secs_f64();
        match self.missed.is_empty() {
            true => print(&format!("\nAll of it happened, in {total:.1} s.\n")),
            false => print(&format!("\nDid not happen: {}.\n", self.missed.join("; "))),
        }
        self.missed.is_empty()
    }

    /// Draws a live line while the scene plays, where somebody watches.
    async fn watched(&self, title: &str, scene: impl Future<Output = Told>) -> Told {
        tokio::pin!(scene);
        let begin = Instant::now();
        loop {
            tokio::select! {
                told = &mut scene => {
                    if self.live {
                        print("\r\x1b[2K");
                    }
                    return told;
                }
                () = tokio::time::sleep(FRAME) => {
                    if self.live {
                        print(&format!("\r\x1b[2K{} … {title} {:.1} s", self.clock(), begin.elapsed().as_secs_f64()));
                    }
                }
            }
        }
    }

    fn clock(&self) -> String {
        format!("{:>7.2} s", self.begin.elapsed().as_secs_f64())
    }
}

/// Prints; a closed pipe is no reason to fail.
fn print(text: &str) {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
