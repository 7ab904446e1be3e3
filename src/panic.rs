//! Calls user code that may panic from a place where unwinding is not allowed, such as Qt's frames.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many panic payloads that panic when dropped are dropped before the next one is leaked.
const PATIENCE: usize = 16;

/// Calls `work` and returns its result, or `None` if it panics. The panic hook has already printed
/// the panic; a panic of the payload's destructor is caught, too.
pub(crate) fn catch_panic<R>(work: impl FnOnce() -> R) -> Option<R> {
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
