//! Instruments: what shows a developer what a loop does, while it does it.
//!
//! They know neither Python nor the tasks of the Rust API. A front end tells them which task and
//! which code location a job belongs to.

#[cfg(feature = "record")]
pub(crate) mod recorder;
#[cfg(any(feature = "tasks", feature = "python"))]
pub(crate) mod watchdog;
