//! The jobs in the queues of a loop.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::LoopCore;
use super::cell::{NewTask, Queued, TaskRef};
use super::readiness::Readiness;
use crate::reactor::{Direction, Queueable};

/// An entry of the loop's queues. It has two words, so it is passed in two registers, which saves a
/// quarter of the cost of a task's turn. So larger and rarer kinds are boxed.
pub(crate) enum Job {
    /// Polls a task.
    Poll(Queued),
    /// Wakes a task; sent by another thread.
    Sent(TaskRef),
    /// Starts a task that another thread has made.
    Start(NewTask),
    /// Wakes a task whose timer has fired.
    Due(TaskRef),
    /// Wakes another waker whose timer has fired.
    Wake(Box<Waker>),
    /// Reports that a descriptor is readable.
    Readable(Arc<Readiness>),
    /// Reports that a descriptor is writable.
    Writable(Arc<Readiness>),
    /// Calls a closure on the loop's thread; without the loop if it was closed.
    Call(Box<Call>),
}

type Call = Box<dyn FnOnce(Option<&LoopCore>) + Send>;

const _: () = assert!(size_of::<Job>() == 2 * size_of::<usize>());

impl Job {
    /// Makes the job that wakes `waker` when a timer fires.
    pub(crate) fn wake(waker: &Waker) -> Job {
        match TaskRef::of(waker) {
            Some(task) => Job::Due(task),
            None => Job::Wake(Box::new(waker.clone())),
        }
    }

    pub(crate) fn ready(readiness: Arc<Readiness>, direction: Direction) -> Job {
        match direction {
            Direction::Read => Job::Readable(readiness),
            Direction::Write => Job::Writable(readiness),
        }
    }

    pub(super) fn call(work: impl FnOnce(Option<&LoopCore>) + Send + 'static) -> Job {
        Job::Call(Box::new(Box::new(work)))
    }

    /// Ends the job when its loop is closed: wakes the tasks that wait for it. Runs user code.
    pub(crate) fn end(self) {
        match self {
            Job::Readable(readiness) => readiness.end(Direction::Read),
            Job::Writable(readiness) => readiness.end(Direction::Write),
            Job::Due(task) => task.wake(),
            Job::Wake(waker) => waker.wake(),
            Job::Call(work) => work(None),
            Job::Poll(_) | Job::Sent(_) | Job::Start(_) => drop(self),
        }
    }

    /// Returns the descriptor of a readiness job.
    pub(crate) fn readiness(&self) -> Option<&Arc<Readiness>> {
        match self {
            Job::Readable(readiness) | Job::Writable(readiness) => Some(readiness),
            _ => None,
        }
    }
}

impl Queueable for Job {
    /// Copies a readiness job; no other kind is watched.
    fn repeat(&self) -> Job {
        match self {
            Job::Readable(readiness) => Job::Readable(Arc::clone(readiness)),
            Job::Writable(readiness) => Job::Writable(Arc::clone(readiness)),
            _ => unreachable!("{self:?} does not recur"),
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Job::Poll(_) => "Poll",
            Job::Sent(_) => "Sent",
            Job::Start(_) => "Start",
            Job::Due(_) => "Due",
            Job::Wake(_) => "Wake",
            Job::Readable(_) => "Readable",
            Job::Writable(_) => "Writable",
            Job::Call(_) => "Call",
        })
    }
}
