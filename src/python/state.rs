//! The state of one event loop, and the class that holds it.
//!
//! `run.rs` runs its callbacks, `stop.rs` ends its Qt loop, and `event_loop.rs` has the methods for
//! Python. The transports and handles use only this file.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;

use super::buffer::Buffer;
use super::error::closed;
use super::gil::{GilProtected, GilSharing};
use super::job::Job;
use super::observed::Observed;
use super::priority::TaskPriorities;
use crate::driver::{Driver, VirtualTime};
use crate::qt::{HostLoop, NestedLoop};
use crate::reactor::{Priority, TimerKey};

/// The state of one event loop. Cells are never borrowed while Python code runs.
pub(super) struct State {
    /// `None` once the loop is closed.
    pub(super) driver: RefCell<Option<Rc<Driver<Job>>>>,
    /// `None` outside of a run.
    pub(super) host_loop: RefCell<Option<Rc<HostLoop>>>,
    pub(super) debug: Cell<bool>,
    /// The thread that runs the loop, or a turn of it.
    pub(super) thread_id: Cell<Option<u64>>,
    /// Another loop was the running loop when the innermost turn began.
    pub(super) is_inside_another: Cell<bool>,
    /// A run or an attach() is under way, and raises a fatal error at its end.
    pub(super) is_owned: Cell<bool>,
    /// Slots of `aboutToQuit` are running.
    pub(super) is_quitting: Cell<bool>,
    pub(super) task_factory: RefCell<Option<Py<PyAny>>>,
    /// The exception that ended the loop, for the next `_raise_fatal()`: a KeyboardInterrupt, a
    /// SystemExit, a second application, or an error of the poller.
    pub(super) fatal: RefCell<Option<PyErr>>,
    /// Nested Qt loops in which Python code waits. They exit when this loop stops.
    pub(super) nested_loops: RefCell<Vec<Rc<NestedLoop>>>,
    /// The number of turns that have begun inside jobs so far.
    pub(super) nested_turns: Cell<u64>,
    /// The read buffer of the transports.
    pub(super) buffer: RefCell<Buffer>,
    /// Handles whose context is in use by a caller on the stack, with the depth of the turn that
    /// tried to run them.
    pub(super) deferred: RefCell<Vec<(usize, Job)>>,
    pub(super) priorities: TaskPriorities,
    /// `None` while no instrument is on.
    pub(super) observed: RefCell<Option<Rc<Observed>>>,
    pub(super) gil_sharing: GilSharing,
    /// The process is a forked child, on Python 3.14 or newer, and the job that has forked has not
    /// returned: see [`running::leave_forked_task`].
    pub(super) is_forked: Cell<bool>,
    /// The driver's clock, also after the loop was closed.
    pub(super) virtual_time: OnceCell<Arc<VirtualTime>>,
}

/// The native base class of QEventLoop.
#[pyclass(subclass, frozen, module = "qtloop._native")]
pub(super) struct EventLoop(pub(super) GilProtected<Rc<State>>);

impl EventLoop {
    pub(super) fn state(&self, py: Python<'_>) -> &Rc<State> {
        self.0.get(py)
    }

    pub(super) fn driver(&self, py: Python<'_>) -> PyResult<Rc<Driver<Job>>> {
        self.state(py).driver()
    }

    pub(super) fn is_debug(&self, py: Python<'_>) -> bool {
        self.state(py).debug.get()
    }

    /// Cancels a timer, and returns its job for the caller to drop.
    pub(super) fn cancel_timer(&self, py: Python<'_>, key: TimerKey) -> Option<Job> {
        self.driver(py).ok()?.cancel(key)
    }
}

impl State {
    pub(super) fn driver(&self) -> PyResult<Rc<Driver<Job>>> {
        self.driver.borrow().clone().ok_or_else(closed)
    }

    #[inline]
    pub(super) fn check_closed(&self) -> PyResult<()> {
        if self.driver.borrow().is_none() {
            return Err(closed());
        }
        Ok(())
    }

    /// Returns the priority of the running job, which jobs inherit; `None` if no job has another
    /// one than the normal one. The error is that of [`check_closed`](State::check_closed).
    #[inline]
    pub(super) fn inherited_priority(&self) -> PyResult<Option<Priority>> {
        let driver = self.driver.borrow();
        let driver = driver.as_ref().ok_or_else(closed)?;
        Ok(driver.may_use_priorities().then(|| driver.priority()))
    }

    /// Queues a handle, on the loop's own thread.
    #[inline]
    pub(super) fn push_here(&self, job: Job) -> PyResult<()> {
        let driver = self.driver.borrow();
        let here = driver.as_ref().ok_or_else(closed)?;
        if here.is_observed() {
            let here = Rc::clone(here);
            drop(driver); // an instrument may run any code
            here.push(job);
        } else {
            here.push(job);
        }
        Ok(())
    }

    /// Returns whether the loop runs, or is attached, on another thread than this one.
    pub(super) fn is_elsewhere(&self, py: Python<'_>) -> bool {
        match self.thread_id.get() {
            Some(thread) => thread != this_thread(py),
            None => self.driver().is_ok_and(|driver| driver.is_elsewhere()),
        }
    }

    /// Queues a handle on any thread. On the loop's thread, and while the loop does not run, the
    /// GIL is all the synchronisation that is needed; otherwise the job is sent to the loop's
    /// thread.
    #[inline]
    pub(super) fn push(&self, py: Python<'_>, job: Job) -> PyResult<()> {
        match self.thread_id.get() {
            Some(thread) if thread != this_thread(py) => {
                let remote = self.driver()?.remote();
                remote.send(job).map_err(|_| closed())
            }
            Some(_) => self.push_here(job),
            None => {
                let is_urgent = self.driver()?.is_elsewhere();
                self.push_here(job.urgent(is_urgent))
            }
        }
    }
}

/// Returns the value of `threading.get_ident()`.
pub(super) fn this_thread(_py: Python<'_>) -> u64 {
    // SAFETY: no preconditions.
    unsafe { ffi::PyThread_get_thread_ident() as u64 }
}
