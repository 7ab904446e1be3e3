//! Recordings of a loop, as traces and as times per code location.
//!
//! [`Loop::record`](crate::Loop::record) begins one. It needs the feature `record`.

pub use crate::instruments::recorder::{Order, Place, PlaceTimes, Quantiles};
pub use crate::task::Recording;
