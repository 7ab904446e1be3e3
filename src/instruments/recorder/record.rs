//! One record of the ring: 48 bytes.

use super::clock::Ticks;
use super::places::PlaceId;
use crate::reactor::Priority;

/// The kind of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobKind {
    /// A callback that code has queued.
    #[default]
    Callback,
    /// A step of a task.
    Step,
    /// A callback at a time.
    Timer,
    /// A callback for a descriptor that is readable.
    Reader,
    /// A callback for a descriptor that is writable.
    Writer,
    /// A read or a write of a connection.
    Transport,
    /// A callback that another thread has queued.
    Remote,
    /// Any other job of the loop.
    Other,
}

impl JobKind {
    /// Returns the name that a trace shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            JobKind::Callback => "callback",
            JobKind::Step => "step",
            JobKind::Timer => "timer",
            JobKind::Reader => "reader",
            JobKind::Writer => "writer",
            JobKind::Transport => "transport",
            JobKind::Remote => "other thread",
            JobKind::Other => "job",
        }
    }
}

/// The task, the code and the kind of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The number of the task that the job steps; 0 if there is none.
    pub task: u32,
    /// Where the code of the job is.
    pub place: PlaceId,
    /// The priority of the job.
    pub priority: Priority,
    /// The kind of the job.
    pub kind: JobKind,
}

/// An event or a span of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Unknown: the job has not begun yet.
    pub(super) started: Ticks,
    /// Unknown: it has not ended yet.
    pub(super) ended: Ticks,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Job(Job),
    Turn {
        depth: u16,
    },
    Poll {
        nanos: u64,
    },
    TaskCreated {
        task: u32,
        place: PlaceId,
        parent: u32,
    },
    TaskFinished {
        task: u32,
    },
    QtEvent {
        class: u32,
        number: u16,
    },
}

impl What {
    /// Returns the number of the task that the record is about; 0 if there is none.
    pub(super) const fn task(&self) -> u32 {
        match self {
            What::Job(job) => job.subject.task,
            What::TaskCreated { task, .. } | What::TaskFinished { task } => *task,
            What::Turn { .. } | What::Poll { .. } | What::QtEvent { .. } => 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    /// When a timer was set, or a callback queued.
    pub(super) created: Ticks,
    /// When it was ready to run.
    pub(super) ready: Ticks,
    /// The number of the record of the job that has queued it; 0 if there was none.
    pub(super) waker: u32,
    pub(super) subject: Subject,
}

impl Record {
    /// Returns the record of a job that has not begun.
    #[inline]
    pub(super) const fn job(created: Ticks, ready: Ticks, waker: u32, subject: Subject) -> Record {
        let job = Job {
            created,
            ready,
            waker,
            subject,
        };
        Record::span(Ticks::UNKNOWN, What::Job(job))
    }

    /// Returns the record of a job that has begun, and of which nothing else is known.
    #[inline]
    pub(super) const fn running(started: Ticks, subject: Subject) -> Record {
        let mut record = Record::job(Ticks::UNKNOWN, Ticks::UNKNOWN, 0, subject);
        record.started = started;
        record
    }

    /// Returns the record of a span that has begun.
    #[inline]
    pub(super) const fn span(started: Ticks, what: What) -> Record {
        Record {
            started,
            ended: Ticks::UNKNOWN,
            what,
        }
    }
}

const _: () = assert!(size_of::<Record>() == 48);
