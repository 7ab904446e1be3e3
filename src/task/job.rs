//! What waits in a loop of tasks.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::Inner;
use super::cell::{Queued, TaskRef, Unborn};
use crate::io::Source;
use crate::reactor::{Recur, Side};

/// One entry of the loop's queues: a word, and a word that says what it is. So it travels in two registers, which is a quarter of
/// the price of a task's turn; hence what is larger and rarer is boxed.
pub(crate) enum Job {
    /// A task is to be polled.
    Poll(Queued),
    /// As another thread says.
    Sent(TaskRef),
    /// Another thread has made a task.
    Begin(Unborn),
    /// A timer has come, for a task.
    Due(TaskRef),
    /// A timer has come, for somebody else.
    Wake(Box<Waker>),
    /// There is news of a descriptor's side.
    Readable(Arc<Source>),
    /// And of the other.
    Writable(Arc<Source>),
    /// Something to do on the loop's thread; without the loop if that is gone.
    Call(Box<Call>),
}

type Call = Box<dyn FnOnce(Option<&Inner>) + Send>;

const _: () = assert!(size_of::<Job>() == 2 * size_of::<usize>());

impl Job {
    /// Wakes, when its time has come.
    pub(crate) fn wake(waker: &Waker) -> Job {
        match TaskRef::of(waker) {
            Some(task) => Job::Due(task),
            None => Job::Wake(Box::new(waker.clone())),
        }
    }

    pub(crate) fn ready(source: Arc<Source>, side: Side) -> Job {
        match side {
            Side::Read => Job::Readable(source),
            Side::Write => Job::Writable(source),
        }
    }

    pub(super) fn call(work: impl FnOnce(Option<&Inner>) + Send + 'static) -> Job {
        Job::Call(Box::new(Box::new(work)))
    }

    /// Its loop is gone: who waits for it is told. Foreign code.
    pub(crate) fn end(self) {
        match self {
            Job::Readable(source) => source.end(Side::Read),
            Job::Writable(source) => source.end(Side::Write),
            Job::Due(task) => task.wake(),
            Job::Wake(waker) => waker.wake(),
            Job::Call(work) => work(None),
            Job::Poll(_) | Job::Sent(_) | Job::Begin(_) => drop(self),
        }
    }

    /// The descriptor that it is about.
    pub(crate) fn source(&self) -> Option<&Arc<Source>> {
        match self {
            Job::Readable(source) | Job::Writable(source) => Some(source),
            _ => None,
        }
    }
}

impl Recur for Job {
    /// Only descriptors are watched.
    fn again(&self) -> Job {
        match self {
            Job::Readable(source) => Job::Readable(Arc::clone(source)),
            Job::Writable(source) => Job::Writable(Arc::clone(source)),
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
            Job::Due(_) => "Due",
            Job::Wake(_) => "Wake",
            Job::Readable(_) => "Readable",
            Job::Writable(_) => "Writable",
            Job::Call(_) => "Call",
        })
    }
}
