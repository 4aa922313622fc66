//! What one template may use at most.
//!
//! Every loop, call and copy is paid from one budget, so that no template, however it is nested, holds a thread for long.

use super::error::Problem;

/// Longest source, in bytes.
pub const SOURCE_BYTES: usize = 256 * 1024;
/// Longest output, and longest single text made on the way, in bytes.
pub const OUTPUT_BYTES: usize = 1024 * 1024;
/// How deep blocks and parentheses may be nested in the source.
pub const NESTING: usize = 64;
/// How deep blocks, parentheses and template calls may be entered while rendering. Chosen so that a debug build stays
/// within a thread's usual 2 MiB of stack.
pub const DEPTH: usize = 160;
/// How deep a value may be nested.
pub const VALUE_DEPTH: usize = 64;
/// Steps of one rendering; well under two seconds of work in a debug build.
pub const STEPS: u64 = 1_000_000;
/// Bytes copied for the price of one step.
const BYTES_A_STEP: u64 = 64;

/// The steps that a rendering has left.
#[derive(Debug)]
pub struct Fuel(u64);

impl Fuel {
    /// Returns a full budget.
    pub fn full() -> Self {
        Self(STEPS)
    }

    /// Takes `steps` out of the budget.
    pub fn spend(&mut self, steps: u64) -> Result<(), Problem> {
        self.0 = self.0.checked_sub(steps).ok_or(Problem::Limit("takes too many steps (1,000,000 at most)"))?;
        Ok(())
    }

    /// Takes the price of copying `bytes` out of the budget.
    pub fn spend_bytes(&mut self, bytes: usize) -> Result<(), Problem> {
        self.spend(bytes as u64 / BYTES_A_STEP)
    }
}
