//! The use cases.

mod error;
mod facade;
mod settings;

pub use error::{Class, DriverError};
pub use facade::{AttributeValue, Fingerprint, Health, NetworkInfo, Started, TaskDriver, TaskStatus, Usage};
pub use settings::{AuthMethod, AuthSettings, PkiSettings, RefreshSettings, Settings};
