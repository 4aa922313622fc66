//! The container engine: its port, the real client, one for tests.
