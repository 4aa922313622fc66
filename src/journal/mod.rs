//! What must be undone, on disk, ids only.
