//! The calls of the driver to [`Observed`].

use std::time::Duration;

use super::python::Event;
use super::{Observed, kind_of, stepped, token};
use crate::driver::Observer;
use crate::instruments::recorder::{JobKind, PlaceId, Subject};
use crate::python::job::Job;
use crate::reactor::{Queueable, Time};

impl Observer<Job> for Observed {
    fn queued(&self, job: &mut Job) {
        let now = self.clock.now();
        let by = self.running_task();
        let subject = self.note_ready(job, now, by, |event, task| {
            self.instruments.call(event, task);
        });
        if let Some(recorder) = self.recorder() {
            job.mark = recorder.queued_at(now, subject);
        }
    }

    fn timer_set(&self, _when: Time, job: &mut Job) {
        if let Some(recorder) = self.recorder() {
            job.mark = recorder.timer_set(Subject {
                task: 0,
                place: PlaceId::UNKNOWN,
                priority: job.priority(),
                kind: JobKind::Timer,
            });
        }
    }

    fn collected(&self, job: &mut Job) {
        let now = self.clock.now();
        let mut subject = self.note_ready(job, now, (0, 0), |event, task| {
            self.instruments.keep(event, task);
        });
        if subject.kind == JobKind::Callback {
            subject.kind = JobKind::Remote;
        }
        if let Some(recorder) = self.recorder() {
            job.mark = recorder.collected_at(now, job.mark, subject);
        }
    }

    fn collection_ends(&self) {
        self.instruments.deliver(token());
    }

    fn begins(&self, job: &mut Job) {
        self.end_adopted(self.depth.get());
        let py = token();
        self.instruments.end_wait(py);
        let now = self.clock.now();
        let stepped = stepped(py, job);
        let (task, place) = match &stepped {
            Some((task, _)) => self.begin_step(task, now),
            None => (0, self.place_of(py, job)),
        };
        let subject = Subject {
            task,
            place,
            priority: job.priority(),
            kind: kind_of(job, stepped.is_some()),
        };
        if let Some(recorder) = self.recorder() {
            recorder.begins_at(now, job.mark, subject);
        }
        let task = stepped.map(|(task, _)| task);
        // If its context is in use, the job is deferred and does not run.
        let is_step = task.is_some() && self.instruments.wants_steps() && job.can_enter(py);
        if is_step && let Some(task) = &task {
            self.instruments.call(Event::BeforeTaskStep, task);
        }
        self.push(now, task, subject, is_step);
    }

    fn ends(&self) {
        self.instruments.end_wait(token());
        self.end_job();
    }

    fn turn_begins(&self, depth: usize) {
        self.end_adopted(depth);
        self.depth.set(depth);
        if let Some(recorder) = self.recorder() {
            recorder.turn_begins(depth);
        }
    }

    fn turn_ends(&self, depth: usize) {
        self.depth.set(depth - 1);
        if let Some(recorder) = self.recorder() {
            recorder.turn_ends();
        }
    }

    fn waits(&self, timeout: Option<Duration>) {
        self.instruments.begin_wait(token(), timeout);
    }

    fn poll_begins(&self, timeout: Duration) {
        self.end_adopted(self.depth.get());
        self.instruments.end_wait(token());
        self.poll_began.set(self.clock.now());
        if let Some(recorder) = self.recorder() {
            recorder.poll_begins(timeout);
        }
    }

    fn poll_ends(&self, _timeout: Duration) {
        let took = self.clock.now().since(self.poll_began.get());
        self.polling.set(self.polling.get() + took);
        if let Some(recorder) = self.recorder() {
            recorder.poll_ends();
        }
    }
}
