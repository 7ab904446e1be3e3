//! Calling what may panic from where nothing may unwind.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls it. A panic has had its message by the panic hook, and is over; also if what was thrown panics when it is dropped.
pub(crate) fn contain<R>(work: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Some(result),
        Err(thrown) => {
            if let Err(thrown) = catch_unwind(AssertUnwindSafe(|| drop(thrown))) {
                // Enough of it.
                std::mem::forget(thrown);
            }
            None
        }
    }
}
