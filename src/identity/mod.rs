//! Who a task is, and what it may ask for.
//!
//! Identity comes from the orchestrator's own fields alone: namespace, job, group, task and allocation. One encoding turns
//! them into SPIFFE id, DNS name, role and paths, such that two different tasks never get one text, whatever
//! their names hold. The operator's rules say which task may ask for what; what no rule covers is refused.
//!
//! It does not know a server, a certificate or a clock, and sends nothing.

mod encode;
mod glob;
mod identify;
mod pattern;
mod rules;
mod settings;
mod values;

pub use encode::{EmptyText, encode, fit};
pub use glob::Glob;
pub use identify::Identity;
pub use pattern::{Pattern, PatternError};
pub use rules::{Place, PolicyRefused, Rule, Rules, RulesError};
pub use settings::{IdentityError, Settings, check_role_pattern};
