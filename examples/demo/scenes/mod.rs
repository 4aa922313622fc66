//! The acts of the story; each function is one check of it.

pub mod change;
pub mod crash;
pub mod end;
pub mod identity;
pub mod leaks;
pub mod parts;
