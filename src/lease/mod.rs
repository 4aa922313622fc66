//! When something is due.
//!
//! Pure arithmetic: no clock, no timer, no server. The caller passes times and a random fraction between 0 and 1, and
//! sleeps. Nothing here panics or overflows, whatever a server or a configuration says, and no wait is zero.
//!
//! It does not know what a lease is for, nor what is done when it is due.

mod backoff;
mod certificate;
mod coalesce;
mod renewal;
mod schedule;

use std::time::Duration;

pub use backoff::{backoff, poll_after, spread};
pub use certificate::certificate_due;
pub use coalesce::Coalescer;
pub use renewal::{needs_replacement, renew_after};
pub use schedule::Schedule;

/// Longest wait that is ever given: timers take it, and adding it to a time does not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Returns the point `fraction` of the way from `low` to `high`, each a share of `whole`.
fn share(whole: Duration, low: f64, high: f64, fraction: f64) -> Duration {
    let fraction = if fraction.is_nan() { 0.5 } else { fraction.clamp(0.0, 1.0) };
    whole.min(LONGEST).mul_f64(low + (high - low) * fraction)
}
