//! The language of job files: parsing is hcl-edit's, evaluation ours.

pub mod body;
pub mod eval;
pub mod functions;
pub mod text;
pub mod value;
