//! From the bytes of a `config` block to checked values.
//!
//! Three steps: `msgpack` reads foreign bytes under limits, `fields` takes typed fields out of the tree and collects every
//! mistake, `plugin` and `task` say which fields there are. Defaults have their one home here, not in the
//! schema: an absent field is null on the wire, and an empty config has no fields at all.
//!
//! No value is ever quoted unless it is one of the kinds that cannot be a secret: a job may put a token into any option.

mod access;
mod container;
mod crafted;
mod fields;
mod images;
mod metrics;
mod mounts;
mod msgpack;
mod network;
mod plugin;
mod policy;
mod secret;
mod server;
mod task;
mod upkeep;

pub use plugin::settings;
pub use task::{TaskOptions, task_options};
