//! The state of a recorder: the ring, and the spans that have begun and not ended.

use super::clock::{Anchor, Clock, Ticks};
use super::names::{Classes, Tasks};
use super::open::{Open, Span};
use super::record::{Job, Record, Subject, What};
use super::ring::Ring;
use super::top::Top;

#[derive(Debug)]
pub(super) struct State {
    pub(super) ring: Ring,
    /// The time that was read last. It is the current time while `is_fresh`: no code of the program
    /// has run since.
    pub(super) now: Ticks,
    pub(super) is_fresh: bool,
    /// The jobs, turns and polls that have begun and not ended, innermost last.
    pub(super) open: Vec<Open>,
    /// The Qt event that is being handled.
    pub(super) qt_event: Option<Record>,
    /// Since when Qt has been waiting.
    pub(super) waiting: Option<Ticks>,
    pub(super) top: Top,
    pub(super) tasks: Tasks,
    pub(super) classes: Classes,
    pub(super) end: Option<Anchor>,
}

impl State {
    pub(super) fn new(ring: Ring) -> State {
        State {
            ring,
            now: Ticks::UNKNOWN,
            is_fresh: false,
            open: Vec::new(),
            qt_event: None,
            waiting: None,
            top: Top::default(),
            tasks: Tasks::default(),
            classes: Classes::default(),
            end: None,
        }
    }

    /// Returns the current time: the one that was read last, if only the loop has run since.
    #[inline]
    pub(super) fn read(&mut self, clock: &Clock) -> Ticks {
        if !self.is_fresh {
            self.now = clock.now();
        }
        self.now
    }

    /// Reads the clock: code of the program is running.
    #[inline]
    pub(super) fn read_after_code(&mut self, clock: &Clock) -> Ticks {
        self.is_fresh = false;
        self.read(clock)
    }

    #[inline]
    pub(super) fn push_job(&mut self, created: Ticks, ready: Ticks, subject: Subject) -> u32 {
        let waker = self.open.iter().rev().find_map(Open::number);
        let record = Record::job(created, ready, waker.unwrap_or(0), subject);
        self.ring.push(record)
    }

    pub(super) fn push_instant(&mut self, clock: &Clock, what: What) {
        self.now = clock.now();
        self.ring.push(Record {
            started: self.now,
            ended: self.now,
            what,
        });
    }

    /// Returns the begin and the job of a mark if it is in the ring, has not begun, and is of the
    /// same task.
    #[inline]
    pub(super) fn waiting_job(
        &mut self,
        mark: u32,
        subject: Subject,
    ) -> Option<(&mut Ticks, &mut Job)> {
        let Record { started, what, .. } = self.ring.get_mut(mark)?;
        match what {
            What::Job(job) if !started.is_known() && job.subject.task == subject.task => {
                Some((started, job))
            }
            _ => None,
        }
    }

    /// Begins a job. It keeps no copy of the record: a load of what was just stored in parts would
    /// cost a tenth of the whole recorder.
    #[inline]
    pub(super) fn begin_job(&mut self, now: Ticks, mark: u32, subject: Subject) {
        self.now = now;
        self.is_fresh = false;
        let waiting = self.waiting_job(mark, subject);
        let (number, ready) = if let Some((started, job)) = waiting {
            // The queued record has the more exact kind, such as that of another thread's job.
            let kind = job.subject.kind;
            job.subject = Subject { kind, ..subject };
            *started = now;
            (mark, job.ready)
        } else {
            let record = Record::running(now, subject);
            (self.ring.push(record), Ticks::UNKNOWN)
        };
        self.open.push(Open::new(
            now,
            Span::Job {
                number,
                ready,
                subject,
            },
        ));
    }

    pub(super) fn open(&mut self, span: Span) {
        self.open.push(Open::new(self.now, span));
    }

    /// Ends the innermost span of a kind, and the spans inside of it. There is none if it began
    /// before the recording.
    #[inline]
    pub(super) fn close(&mut self, is_it: impl Fn(&Span) -> bool) {
        let Some(at) = self.open.iter().rposition(|open| is_it(&open.span)) else {
            return;
        };
        self.end_wait();
        while self.open.len() > at {
            self.close_last();
        }
    }

    /// Ends the innermost span.
    #[inline]
    pub(super) fn close_last(&mut self) {
        let Some((open, outer)) = self.open.split_last_mut() else {
            return;
        };
        let started = open.started;
        let took = self.now.since(started);
        if let Some(outer) = outer.last_mut() {
            outer.inside += took;
        }
        match open.span {
            Span::Job {
                number,
                ready,
                subject,
            } => {
                let latency = ready.is_known().then(|| started.since(ready));
                let run = took.saturating_sub(open.inside);
                self.top.add(subject.place, started, run, latency);
                if let Some(record) = self.ring.get_mut(number) {
                    record.ended = self.now;
                } else {
                    // The jobs inside of it have filled the ring.
                    self.ring.push(open.record(self.now));
                }
            }
            Span::Turn { .. } | Span::Poll { .. } => {
                self.ring.push(open.record(self.now));
            }
        }
        self.open.pop();
    }

    pub(super) fn end_qt_event(&mut self) {
        if let Some(mut event) = self.qt_event.take() {
            event.ended = self.now;
            self.ring.push(event);
        }
    }

    /// Ends Qt's wait, which does not count as work of the job that runs the Qt event loop.
    #[inline]
    pub(super) fn end_wait(&mut self) {
        if let Some(since) = self.waiting.take()
            && let Some(outer) = self.open.last_mut()
        {
            outer.inside += self.now.since(since.max(outer.started));
        }
    }
}
