//! Named points at which a test ends the process as `kill -9` would.

/// Kills this process when the test build runs with `STRONGBOX_FAIL_POINT=<name>`, or `<name>:<n>` for the n-th passage.
///
/// Without the feature `fail-points` it is an empty function: a release cannot be made to die by its environment.
#[cfg(feature = "fail-points")]
pub fn fail_point(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    static PASSED: AtomicU32 = AtomicU32::new(0);

    let Ok(wanted) = std::env::var("STRONGBOX_FAIL_POINT") else { return };
    let (point, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if point == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == nth.parse().unwrap_or(1) {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).ok();
        // The signal is delivered to this thread at the latest when it next enters the kernel.
        loop {
            std::thread::park();
        }
    }
}

/// Does nothing: this build has no fail points.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub fn fail_point(_name: &str) {}
