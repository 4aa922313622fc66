//! Who a task is, and what it may ask for.
