//! What waits in an asyncio loop: a handle, or one side of a transport.

use std::mem::ManuallyDrop;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::reactor::{Recur, Side};

/// What a job is to the loop that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A handle that runs once.
    Plain,
    /// A handle of ours that runs once and has a lock, so that other threads can cancel it.
    ThreadSafe,
    /// A timer handle of ours.
    Timer,
    /// The handle of a reader or writer, ours.
    Watch,
    /// A transport of ours, that side of which may be ready.
    Transport(Side),
}

/// One entry of the loop's queues. Made, copied and dropped with the interpreter's lock held: turns collect and drop
/// inside the face's scope, and all else happens in Python's own calls.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) object: ManuallyDrop<Py<PyAny>>,
    pub(super) kind: Kind,
}

impl Job {
    /// The kind must be true of the object: handles and streams are read natively.
    pub(super) fn new(object: &Bound<'_, PyAny>, kind: Kind) -> Job {
        Job {
            object: ManuallyDrop::new(object.clone().unbind()),
            kind,
        }
    }
}

impl Recur for Job {
    fn again(&self) -> Job {
        // SAFETY: the lock is held, see `Job`.
        let py = unsafe { Python::assume_attached() };
        Job::new(self.object.bind(py), self.kind)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // `Py` would look for its own count of attachments, find none in a native method, and put the drop off.
        // SAFETY: the lock is held, see `Job`, and the reference is this job's own.
        unsafe { ffi::Py_DECREF(self.object.as_ptr()) }
    }
}
