//! An entry of an asyncio loop's queues: a handle, or one direction of a transport.

use std::mem::ManuallyDrop;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::reactor::{Direction, Priority, Queueable};

/// The kind of a job, which decides how the loop runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A handle that runs once.
    Plain,
    /// A native handle that runs once and has a lock, so that other threads can cancel it.
    ThreadSafe,
    /// A native timer handle.
    Timer,
    /// The native handle of a reader or writer.
    Watch,
    /// A transport that may be ready in this direction.
    Transport(Direction),
}

/// One entry of the loop's queues. Made, copied and dropped with the GIL held: turns run inside
/// `gil::enter`, and all other code is called by Python.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) object: ManuallyDrop<Py<PyAny>>,
    pub(super) kind: Kind,
    pub(super) priority: Priority,
    /// The priority with which it was made. A watch may rise above it, and not fall below it.
    own_priority: Priority,
    /// See [`Queueable::is_urgent`].
    pub(super) is_urgent: bool,
    /// The number of its record while jobs are recorded, else zero.
    pub(super) mark: u32,
}

const _: () = assert!(size_of::<Job>() == 2 * size_of::<usize>());

impl Job {
    /// Makes a job. `kind` must match the object's class, whose memory is read natively.
    #[inline]
    pub(super) fn new(object: &Bound<'_, PyAny>, kind: Kind, priority: Priority) -> Job {
        Job {
            object: ManuallyDrop::new(object.clone().unbind()),
            kind,
            priority,
            own_priority: priority,
            is_urgent: false,
            mark: 0,
        }
    }

    /// Returns the job with [`Queueable::is_urgent`].
    #[inline]
    pub(super) fn urgent(mut self, is_urgent: bool) -> Job {
        self.is_urgent = is_urgent;
        self
    }

    /// Gives a watch the priority of a task that it has woken, or its own if that is higher.
    pub(super) fn rise_to(&mut self, woken: Priority) {
        self.priority = woken.min(self.own_priority);
    }
}

impl Queueable for Job {
    fn repeat(&self) -> Job {
        // SAFETY: the GIL is held, see `Job`.
        let py = unsafe { Python::assume_attached() };
        Job {
            object: ManuallyDrop::new(self.object.clone_ref(py)),
            mark: 0,
            ..*self
        }
    }

    #[inline]
    fn priority(&self) -> Priority {
        self.priority
    }

    fn is_urgent(&self) -> bool {
        self.is_urgent
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // `Py` would defer the drop: its count of attachments is zero in a method that CPython
        // calls directly.
        // SAFETY: the GIL is held, see `Job`, and the job owns the reference.
        unsafe { ffi::Py_DECREF(self.object.as_ptr()) }
    }
}

/// Returns the direction for a flag of the Python half.
pub(super) fn direction(writer: bool) -> Direction {
    if writer {
        Direction::Write
    } else {
        Direction::Read
    }
}
