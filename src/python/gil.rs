//! Taking and releasing the GIL in calls from Qt.
//!
//! PyO3 counts per thread how often it has attached, and relies on that count. But a Qt binding
//! releases the GIL without PyO3's knowledge: a Python job runs `QDialog.exec()`, the binding
//! releases the GIL, Qt calls the driver, and PyO3 assumes that the GIL is still held. So every
//! call from Qt uses `PyGILState_Ensure`, which checks; it costs 30 ns a turn.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use pyo3::Python;
use pyo3::ffi;

use crate::reactor::Time;

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

/// The longest time between two sleeps without the GIL: CPython's default switch interval.
const SWITCH_INTERVAL: Duration = Duration::from_millis(5);

/// How long the thread sleeps to pass the GIL on. The system's timer adds some 50 µs.
const PAUSE: Duration = Duration::from_micros(1);

/// Passes the GIL to threads that wait for it.
///
/// CPython forces a switch when a thread has waited for the switch interval without being woken.
/// Each poll of the loop releases the GIL and takes it back, which wakes a waiting thread. If the
/// loop takes it back first, the thread's interval begins again. So the thread could wait for ever
/// beside a busy loop. Once per interval the loop therefore sleeps without the GIL.
pub(super) struct GilSharing {
    /// The time of the last sleep of this thread without the GIL.
    slept: Cell<Time>,
    /// When the last turn ended.
    turn_ended: Cell<Time>,
}

impl GilSharing {
    pub(super) fn new() -> GilSharing {
        let long_ago = Time::from_nanos(0);
        GilSharing {
            slept: Cell::new(long_ago),
            turn_ended: Cell::new(long_ago),
        }
    }

    /// Notes that a turn begins. After a long time since the last turn, the thread has slept in Qt.
    pub(super) fn begin_turn(&self, now: Time) {
        if now > self.turn_ended.get() + SWITCH_INTERVAL / 2 {
            self.slept.set(now);
        }
    }

    /// Notes that the turn ends.
    pub(super) fn end_turn(&self, now: Time) {
        self.turn_ended.set(now);
    }

    /// Releases the GIL and takes it back. Sleeps in between if the last sleep was long ago.
    pub(super) fn share(&self, py: Python<'_>, now: Time) {
        if now < self.slept.get() + SWITCH_INTERVAL || !has_other_threads(py) {
            release(py, || {});
        } else {
            release(py, || thread::sleep(PAUSE));
            self.slept.set(Time::now());
        }
    }

    /// Releases the GIL while `wait` sleeps.
    pub(super) fn sleep<R>(&self, py: Python<'_>, wait: impl FnOnce() -> R) -> R {
        let result = release(py, wait);
        self.slept.set(Time::now());
        result
    }
}

/// Returns whether the interpreter has more than one thread.
fn has_other_threads(_py: Python<'_>) -> bool {
    // SAFETY: the GIL is held. Only this thread's own state is read; the others are compared by
    // address.
    unsafe {
        let this = ffi::PyThreadState_Get();
        let newest = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        newest != this || !ffi::PyThreadState_Next(this).is_null()
    }
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
