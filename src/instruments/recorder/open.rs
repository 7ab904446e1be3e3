//! A job, a turn or a poll that has begun and not ended.

use super::clock::Ticks;
use super::record::{Record, Subject, What};

#[derive(Debug)]
pub(super) struct Open {
    pub(super) started: Ticks,
    /// The ticks of the turns and the waits inside.
    pub(super) inside: u64,
    pub(super) span: Span,
}

/// What has begun. Only a job has a record in the ring before it ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Job {
        /// The number of its record.
        number: u32,
        ready: Ticks,
        subject: Subject,
    },
    Turn {
        depth: u16,
    },
    Poll {
        nanos: u64,
    },
}

impl Open {
    #[inline]
    pub(super) fn new(started: Ticks, span: Span) -> Open {
        Open {
            started,
            inside: 0,
            span,
        }
    }

    /// Returns the number of the record, if it has one already.
    #[inline]
    pub(super) fn number(&self) -> Option<u32> {
        match self.span {
            Span::Job { number, .. } => Some(number),
            Span::Turn { .. } | Span::Poll { .. } => None,
        }
    }

    /// Returns a record of the span, which ends at a time or is still open.
    pub(super) fn record(&self, ended: Ticks) -> Record {
        let mut record = match self.span {
            Span::Job { subject, .. } => Record::running(self.started, subject),
            Span::Turn { depth } => Record::span(self.started, What::Turn { depth }),
            Span::Poll { nanos } => Record::span(self.started, What::Poll { nanos }),
        };
        record.ended = ended;
        record
    }
}
