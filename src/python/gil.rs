//! The interpreter's lock, from the side of Qt.
//!
//! PyO3 counts per thread how often it has attached, and trusts the count. But a binding releases the lock behind its
//! back: a Python job runs `QDialog.exec()`, the binding lets go of the lock, Qt calls us, and PyO3 believes that the
//! lock is still held. So every way in from Qt goes through `PyGILState_Ensure`, which knows; it costs 30 ns a turn.

use pyo3::Python;
use pyo3::ffi;

/// Runs `work` with the lock held, whoever has released it further out. What it drops, it drops under the lock.
pub(super) fn enter<R>(work: impl FnOnce(Python<'_>) -> R) -> R {
    struct Held(ffi::PyGILState_STATE);
    impl Drop for Held {
        fn drop(&mut self) {
            // SAFETY: pairs with the Ensure below, on the same thread, innermost first.
            unsafe { ffi::PyGILState_Release(self.0) }
        }
    }
    // SAFETY: the interpreter is alive: the loops are taken off Qt before it ends.
    let held = Held(unsafe { ffi::PyGILState_Ensure() });
    let result = Python::attach(work);
    drop(held);
    result
}

/// Runs `work` without the lock; it must not touch Python except through [`enter`].
pub(super) fn leave<R>(_py: Python<'_>, work: impl FnOnce() -> R) -> R {
    struct Saved(*mut ffi::PyThreadState);
    impl Drop for Saved {
        fn drop(&mut self) {
            // SAFETY: the state was saved below by this thread, and every `enter` since has put back what it found.
            unsafe { ffi::PyEval_RestoreThread(self.0) }
        }
    }
    // `Python::detach` would do, if `work` could be `Send`; but Qt's objects stay on their thread.
    // SAFETY: the token proves that the lock is held.
    let saved = Saved(unsafe { ffi::PyEval_SaveThread() });
    let result = work();
    drop(saved);
    result
}

/// A value that is only touched with the lock held, by whichever thread holds it.
///
/// asyncio's rule is weaker than Rust's: a loop may be made on one thread, run on another and collected on a third, and
/// `call_soon` before the run is legal from any. The lock is what orders all that; no borrow of a cell inside is alive
/// while the lock may be given up, because none is alive while Python code runs.
pub(super) struct Guarded<T>(T);

// SAFETY: see above; `get` asks for the proof that the lock is held.
unsafe impl<T> Send for Guarded<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub(super) fn new(value: T) -> Guarded<T> {
        Guarded(value)
    }

    pub(super) fn get(&self, _py: Python<'_>) -> &T {
        &self.0
    }

    /// For the garbage collector's visit, which has no token but runs under the lock.
    pub(super) fn get_in_traverse(&self) -> &T {
        &self.0
    }
}
