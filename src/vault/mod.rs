//! The secrets server: its port, the real client, one for tests.
