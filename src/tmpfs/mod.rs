//! The task's directory in RAM: mounted, filled whole by generations, wiped.
