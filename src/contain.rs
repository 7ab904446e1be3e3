//! Calling what may panic from where nothing may unwind.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// How often what was thrown may throw something itself.
const PATIENCE: usize = 16;

/// Calls it. A panic has had its message by the panic hook, and is over; also if what was thrown panics when it is dropped.
pub(crate) fn contain<R>(work: impl FnOnce() -> R) -> Option<R> {
    let mut thrown = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => return Some(result),
        Err(thrown) => thrown,
    };
    for _ in 0..PATIENCE {
        match catch_unwind(AssertUnwindSafe(|| drop(thrown))) {
            Ok(()) => return None,
            Err(next) => thrown = next,
        }
    }
    std::mem::forget(thrown);
    None
}
