//! Taking and releasing the GIL in calls from Qt.
//!
//! PyO3 counts per thread how often it has attached, and relies on that count. But a Qt binding
//! releases the GIL without PyO3's knowledge: a Python job runs `QDialog.exec()`, the binding
//! releases the GIL, Qt calls the driver, and PyO3 assumes that the GIL is still held. So every
//! call from Qt uses `PyGILState_Ensure`, which checks; it costs 30 ns a turn.

use pyo3::Python;
use pyo3::ffi;

/// Runs `work` with the GIL held, even if a caller on this stack has released it. Values that
/// `work` drops are dropped with the GIL held.
pub(super) fn enter<R>(work: impl FnOnce(Python<'_>) -> R) -> R {
    struct GilGuard(ffi::PyGILState_STATE);
    impl Drop for GilGuard {
        fn drop(&mut self) {
            // SAFETY: pairs with the Ensure below, on the same thread, innermost first.
            unsafe { ffi::PyGILState_Release(self.0) }
        }
    }
    // SAFETY: the interpreter is alive: `_shutdown.py` detaches the loops from Qt before it exits.
    let guard = GilGuard(unsafe { ffi::PyGILState_Ensure() });
    let result = Python::attach(work);
    drop(guard);
    result
}

/// Releases the GIL while `work` runs; `work` must not use Python objects except through [`enter`].
pub(super) fn release<R>(_py: Python<'_>, work: impl FnOnce() -> R) -> R {
    struct Saved(*mut ffi::PyThreadState);
    impl Drop for Saved {
        fn drop(&mut self) {
            // SAFETY: the state was saved below by this thread, and every `enter` since has
            // restored it.
            unsafe { ffi::PyEval_RestoreThread(self.0) }
        }
    }
    // `Python::detach` would require that `work` is `Send`, which Qt's objects are not.
    // SAFETY: the token proves that the GIL is held.
    let saved = Saved(unsafe { ffi::PyEval_SaveThread() });
    let result = work();
    drop(saved);
    result
}

/// A value that any thread may access, but only while it holds the GIL.
///
/// asyncio's rule is weaker than Rust's: a loop may be made on one thread, run on another and
/// collected on a third, and before the run any thread may call `call_soon`. The GIL serialises
/// these accesses. No borrow of a cell inside is alive while the GIL may be released, because none
/// is alive while Python code runs.
pub(super) struct GilProtected<T>(T);

// SAFETY: see above; the argument of `get` proves that the GIL is held.
unsafe impl<T> Send for GilProtected<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for GilProtected<T> {}

impl<T> GilProtected<T> {
    pub(super) fn new(value: T) -> GilProtected<T> {
        GilProtected(value)
    }

    pub(super) fn get(&self, _py: Python<'_>) -> &T {
        &self.0
    }

    /// Returns the value in `__traverse__`, which has no token but runs with the GIL held.
    pub(super) fn get_in_traverse(&self) -> &T {
        &self.0
    }
}
