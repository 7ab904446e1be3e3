//! The calls of the driver to [`Observed`].

use std::time::Duration;

use pyo3::prelude::*;

use super::python::Event;
use super::{Observed, stepped, token};
use crate::driver::Observer;
use crate::instruments::recorder::{JobKind, PlaceId, Recorder, Subject, Ticks};
use crate::python::job::{Job, Kind};
use crate::reactor::{Queueable, Time};

/// Returns the subject of a job, without a task and a place.
#[inline]
fn subject(job: &Job, is_step: bool) -> Subject {
    let kind = match job.kind {
        _ if is_step => JobKind::Step,
        Kind::Plain => JobKind::Callback,
        Kind::ThreadSafe => JobKind::Remote,
        Kind::Timer => JobKind::Timer,
        Kind::Watch => JobKind::Reader,
        Kind::Transport(_) => JobKind::Transport,
    };
    Subject {
        task: 0,
        place: PlaceId::UNKNOWN,
        priority: job.priority(),
        kind,
    }
}

impl Observer<Job> for Observed {
    fn queued(&self, job: &mut Job) {
        let Some((task, stepped)) = stepped(token(), job) else {
            let subject = subject(job, false);
            let queued = self.record(|recorder| recorder.queued(subject));
            job.mark = queued.unwrap_or(job.mark);
            return;
        };
        let now = self.now();
        let mut subject = subject(job, true);
        let is_new = {
            let running = self.running.borrow();
            let by = running.last().and_then(|by| by.task.as_ref());
            let (number, is_new) = self.note_scheduled(&task, stepped, now, by);
            subject.task = number;
            is_new
        };
        let queued = self.record(|recorder| recorder.queued_at(now, subject));
        job.mark = queued.unwrap_or(job.mark);
        if is_new {
            self.instruments.call(Event::TaskSpawned, &task);
        }
        self.instruments.call(Event::TaskScheduled, &task);
    }

    fn timer_set(&self, _when: Time, job: &mut Job) {
        let mut subject = subject(job, false);
        subject.kind = JobKind::Timer;
        let set = self.record(|recorder| recorder.timer_set(subject));
        job.mark = set.unwrap_or(job.mark);
    }

    fn collected(&self, job: &mut Job) {
        let stepped = stepped(token(), job);
        if stepped.is_none() && !self.is_recording.get() {
            return;
        }
        let now = self.now();
        let mut subject = subject(job, stepped.is_some());
        if subject.kind == JobKind::Callback {
            subject.kind = JobKind::Remote;
        }
        let mut is_new = false;
        if let Some((task, stepped)) = &stepped {
            (subject.task, is_new) = self.note_scheduled(task, *stepped, now, None);
        }
        let collected = self.record(|recorder| recorder.collected_at(now, job.mark, subject));
        job.mark = collected.unwrap_or(job.mark);
        if let Some((task, _)) = &stepped {
            if is_new {
                self.instruments.keep(Event::TaskSpawned, task);
            }
            self.instruments.keep(Event::TaskScheduled, task);
        }
    }

    fn collection_ends(&self) {
        self.instruments.deliver(token());
    }

    fn begins(&self, job: &mut Job) {
        self.end_adopted(self.depth.get());
        let py = token();
        self.end_wait(py);
        let ended = self.ended.replace(Ticks::UNKNOWN);
        let stepped = stepped(py, job);
        if stepped.is_none() && !self.is_timing() {
            self.push(Ticks::UNKNOWN, None, Subject::default(), false);
            return;
        }
        let now = if ended.is_known() { ended } else { self.now() };
        let mut subject = subject(job, stepped.is_some());
        let Some((task, _)) = stepped else {
            subject.place = self.place_of(py, job);
            self.record(|recorder| recorder.begins_at(now, job.mark, subject));
            self.push(now, None, subject, false);
            return;
        };
        let (entry, place) = self.begin_step(&task, now);
        subject.task = entry.number;
        subject.place = place;
        self.record(|recorder| recorder.begins_at(now, job.mark, subject));
        // If its context is in use, the job is deferred and does not run.
        let is_step = self.instruments.wants_steps() && job.can_enter(py);
        if is_step {
            self.instruments.call(Event::BeforeTaskStep, &task);
        }
        self.push(now, Some((task.unbind(), entry)), subject, is_step);
    }

    fn ends(&self) {
        self.end_wait(token());
        self.end_job();
    }

    fn turn_begins(&self, depth: usize) {
        self.end_adopted(depth);
        self.ended.set(Ticks::UNKNOWN);
        self.depth.set(depth);
        self.record(|recorder| recorder.turn_begins(depth));
    }

    fn turn_ends(&self, depth: usize) {
        self.ended.set(Ticks::UNKNOWN);
        self.depth.set(depth - 1);
        self.record(Recorder::turn_ends);
    }

    fn waits(&self, timeout: Option<Duration>) {
        self.instruments.begin_wait(token(), timeout);
    }

    fn poll_begins(&self, timeout: Duration) {
        self.end_adopted(self.depth.get());
        self.end_wait(token());
        self.ended.set(Ticks::UNKNOWN);
        let now = self.clock.now();
        self.poll_began.set(now);
        self.record(|recorder| recorder.poll_begins_at(now, timeout));
    }

    fn poll_ends(&self, _timeout: Duration) {
        let now = self.clock.now();
        let took = now.since(self.poll_began.get());
        self.polling.set(self.polling.get() + took);
        self.ended.set(now);
        self.polled.set(now);
        self.record(|recorder| recorder.poll_ends_at(now));
    }
}

impl Observed {
    /// Calls the instruments for the end of a wait, if one has begun.
    #[inline]
    fn end_wait(&self, py: Python<'_>) {
        if self.instruments.is_waiting() {
            self.ended.set(Ticks::UNKNOWN);
            self.instruments.end_wait(py);
        }
    }
}
