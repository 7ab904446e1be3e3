//! What waits in a loop of tasks.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::Inner;
use super::cell::{Queued, TaskRef, Unborn};
use crate::io::Source;
use crate::reactor::{Recur, Side};

/// One entry of the loop's queues.
pub(crate) enum Job {
    /// A task is to be polled.
    Poll(Queued),
    /// As another thread says.
    Sent(TaskRef),
    /// Another thread has made a task.
    Begin(Unborn),
    /// A timer has come.
    Wake(Waker),
    /// One side of a descriptor has news.
    Ready(Arc<Source>, Side),
    /// Something to do on the loop's thread.
    Call(Box<dyn FnOnce(&Inner) + Send>),
}

impl Recur for Job {
    /// Only descriptors are watched.
    fn again(&self) -> Job {
        match self {
            Job::Ready(source, side) => Job::Ready(Arc::clone(source), *side),
            _ => unreachable!("{self:?} does not recur"),
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Job::Poll(_) => "Poll",
            Job::Sent(_) => "Sent",
            Job::Begin(_) => "Begin",
            Job::Wake(_) => "Wake",
            Job::Ready(..) => "Ready",
            Job::Call(_) => "Call",
        })
    }
}
