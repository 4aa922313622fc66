//! When something is due.
