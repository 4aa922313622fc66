//! How a process ended.

use serde::{Deserialize, Serialize};

/// How a task ended, told once and truly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitResult {
    /// The process's exit code; 128 + n when signal n ended it.
    pub exit_code: i32,
    /// The signal that ended it, 0 when none did.
    pub signal: i32,
    /// The kernel killed it, or one of its children, for want of memory.
    pub oom_killed: bool,
    /// What else there is to say, such as that the container was removed by somebody else.
    pub message: Option<String>,
}
