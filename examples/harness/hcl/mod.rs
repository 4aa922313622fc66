//! The language of job files: parsing is hcl-edit's, evaluation ours.

pub mod body;
pub mod eval;
pub mod format;
pub mod functions;
pub mod number;
pub mod text;
pub mod value;
