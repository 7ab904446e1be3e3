//! `yield_if_needed()`: an awaitable that yields if the turn has used up its time, or a job of a
//! higher priority is ready.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::job::Job;
use crate::driver::Driver;

thread_local! {
    /// The driver of the innermost turn of this thread.
    static DRIVER: RefCell<Weak<Driver<Job>>> = const { RefCell::new(Weak::new()) };
}

/// Makes `driver` that of the innermost turn of this thread until the result is dropped.
pub(super) fn enter(driver: &Rc<Driver<Job>>) -> Entered {
    let driver = Rc::downgrade(driver);
    Entered(DRIVER.with(|current| current.replace(driver)))
}

/// Restores the driver of the enclosing turn.
pub(super) struct Entered(Weak<Driver<Job>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let outer = std::mem::take(&mut self.0);
        drop(DRIVER.with(|current| current.replace(outer)));
    }
}

fn should_yield() -> bool {
    let driver = DRIVER.with(|current| current.borrow().upgrade());
    driver.is_none_or(|driver| driver.should_yield())
}

/// An awaitable, and its iterator: it yields once or not at all.
#[pyclass(frozen, module = "qtloop._native")]
pub(super) struct Yield {
    yields: AtomicBool,
}

#[pymethods]
impl Yield {
    fn __await__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// Yields None, for which a task queues its next step, as in `asyncio.sleep(0)`.
    fn __next__(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let yields = self.yields.swap(false, Ordering::Relaxed);
        yields.then(|| py.None())
    }
}

/// Yields to Qt and to the other tasks if this turn has used up its time (`loop.turn_budget`), or
/// if a task of a higher priority is ready. Otherwise returns at once. Await it in the middle of a
/// long computation:
///
///     for row in rows:
///         parse(row)
///         await qtloop.yield_if_needed()
///
/// Outside of a turn it always yields: in the first step of an `asyncSlot`, and in loops that
/// are no QEventLoop. Await each result once, on the thread of the call.
#[pyfunction]
pub(super) fn yield_if_needed(py: Python<'_>) -> PyResult<Py<Yield>> {
    static READY: PyOnceLock<Py<Yield>> = PyOnceLock::new();
    let make = |yields| {
        let yields = AtomicBool::new(yields);
        Py::new(py, Yield { yields })
    };
    if should_yield() {
        return make(true);
    }
    let ready = READY.get_or_try_init(py, || make(false))?;
    Ok(ready.clone_ref(py))
}
