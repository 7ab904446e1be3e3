//! The jobs in the queues of a loop.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::LoopCore;
use super::cell::{NewTask, Queued, TaskRef};
use super::readiness::Readiness;
use crate::reactor::{Direction, Priority, Queueable};

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
    Wake(Box<Wake>),
    /// Reports that a descriptor is readable.
    Readable(Arc<Readiness>),
    /// Reports that a descriptor is writable.
    Writable(Arc<Readiness>),
    /// Calls a closure on the loop's thread; without the loop if it was closed.
    Call(Box<Call>),
}

/// A waker, and the priority of the job that has set the timer.
pub(crate) struct Wake {
    priority: Priority,
    waker: Waker,
}

/// A closure, and the priority of what it schedules.
pub(crate) struct Call {
    priority: Priority,
    work: Box<Work>,
}

type Work = dyn FnOnce(Option<&LoopCore>) + Send;

impl Call {
    pub(super) fn run(self, core: Option<&LoopCore>) {
        (self.work)(core);
    }
}

const _: () = assert!(size_of::<Job>() == 2 * size_of::<usize>());

impl Wake {
    pub(super) fn run(self) {
        self.waker.wake();
    }
}

impl Job {
    /// Makes the job that wakes `waker` when a timer fires. If the waker is not that of a task, the
    /// job has the given priority.
    pub(crate) fn wake(waker: &Waker, priority: Priority) -> Job {
        match TaskRef::of(waker) {
            Some(task) => Job::Due(task),
            None => Job::Wake(Box::new(Wake {
                priority,
                waker: waker.clone(),
            })),
        }
    }

    pub(crate) fn ready(readiness: Arc<Readiness>, direction: Direction) -> Job {
        match direction {
            Direction::Read => Job::Readable(readiness),
            Direction::Write => Job::Writable(readiness),
        }
    }

    pub(super) fn call(
        priority: Priority,
        work: impl FnOnce(Option<&LoopCore>) + Send + 'static,
    ) -> Job {
        let work = Box::new(work);
        Job::Call(Box::new(Call { priority, work }))
    }

    /// Returns whether the job polls this task.
    pub(super) fn polls(&self, task: &TaskRef) -> bool {
        matches!(self, Job::Poll(queued) if queued.is(task))
    }

    /// Ends the job when its loop is closed: wakes the tasks that wait for it. Runs user code.
    pub(crate) fn end(self) {
        match self {
            Job::Readable(readiness) => readiness.end(Direction::Read),
            Job::Writable(readiness) => readiness.end(Direction::Write),
            Job::Due(task) => task.wake(),
            Job::Wake(wake) => wake.run(),
            Job::Call(call) => call.run(None),
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

    #[inline]
    fn priority(&self) -> Priority {
        match self {
            Job::Poll(task) => task.priority(),
            Job::Sent(task) | Job::Due(task) => task.priority(),
            Job::Wake(wake) => wake.priority,
            Job::Call(call) => call.priority,
            Job::Start(_) | Job::Readable(_) | Job::Writable(_) => Priority::NORMAL,
        }
    }

    /// All kinds are urgent that only wake or queue tasks: the tasks wait for their turn by
    /// themselves.
    fn is_urgent(&self) -> bool {
        !matches!(self, Job::Poll(_) | Job::Call(_))
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
