//! Instruments: the recorder and the watchdog, which both front ends use.
//!
//! They know neither Python nor the tasks of the Rust API. A front end passes them the task number
//! and the code location of each job.

#[cfg(feature = "record")]
pub(crate) mod recorder;
#[cfg(any(feature = "tasks", feature = "python"))]
pub(crate) mod watchdog;
