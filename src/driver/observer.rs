//! An observer of a driver: its methods are called when jobs are queued and run, and when the loop
//! polls and waits.
//!
//! While there is no observer, a queued job costs one test, and a job that runs costs nothing. With
//! one, each job takes the slower path of [`Turn::next`].

use std::rc::Rc;
use std::time::Duration;

use super::{Driver, Turn};
use crate::reactor::{Priority, Queueable, Time};

/// Callbacks for the actions of a driver, on the driver's thread. All do nothing by default.
///
/// Each `begins` is followed by its `ends`, each `turn_begins` by its `turn_ends`, and each
/// `poll_begins` by its `poll_ends`, unless the observer is removed or replaced in between. For an
/// observer that is set inside a job, the first call is not the end of that job or of its turn.
///
/// Except in `collected`, no cell of the driver is borrowed during a call. So an observer may then
/// use the driver: it may queue jobs, and replace or remove the observer.
pub trait Observer<J> {
    /// Running code, or code outside of any job, has queued a job that is ready.
    fn queued(&self, _job: &mut J) {}

    /// A job was queued for a deadline.
    fn timer_set(&self, _when: Time, _job: &mut J) {}

    /// A job has become ready: that of a descriptor, a timer or another thread. The driver must not
    /// be used.
    fn collected(&self, _job: &mut J) {}

    /// `collected` was called for all jobs that have become ready at once. The driver may be used
    /// again.
    fn collection_ends(&self) {}

    /// A job is about to run.
    fn begins(&self, _job: &mut J) {}

    /// The job that began last, of those that have not ended, has returned.
    fn ends(&self) {}

    /// A turn begins. `depth` is 1 for a call by Qt outside of any job.
    fn turn_begins(&self, _depth: usize) {}

    /// The turn that began last, of those that have not ended, ends. If it ends early, such as by a
    /// panic of its job, `ends` is called first.
    fn turn_ends(&self, _depth: usize) {}

    /// The turn that has ended returns to Qt, and no job is ready. If no event comes first, Qt
    /// begins the next turn after `timeout`, or `None` if no timer is set. Also called if the
    /// observer was set inside the turn.
    fn waits(&self, _timeout: Option<Duration>) {}

    /// The loop asks the operating system for events. It waits for them for up to `timeout`, which
    /// is zero unless the turn [lingers](Turn::linger).
    fn poll_begins(&self, _timeout: Duration) {}

    /// The poll or the wait has ended.
    fn poll_ends(&self, _timeout: Duration) {}
}

impl<J: Queueable + 'static> Driver<J> {
    /// Sets the observer, which replaces the one before. `None` removes it.
    pub fn set_observer(&self, observer: Option<Rc<dyn Observer<J>>>) {
        self.is_observed.set(observer.is_some());
        self.observer_changes.set(self.observer_changes.get() + 1);
        self.forget_batch_end(); // a turn that is running must ask again
        drop(self.observer.replace(observer));
    }

    /// Returns whether there is an observer.
    #[inline]
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.is_observed.get()
    }

    /// Notifies the observer of a job, and queues it. It is apart from [`push`](Driver::push),
    /// because a reference to the job would keep it in memory in all calls.
    #[cold]
    #[inline(never)]
    pub(super) fn push_observed(&self, mut job: J) {
        self.notify(|observer| observer.queued(&mut job));
        self.enqueue(job);
    }

    /// Calls the observer for a job that is queued for a deadline.
    #[cold]
    #[inline(never)]
    pub(super) fn observe_timer(&self, when: Time, mut job: J) -> J {
        self.notify(|observer| observer.timer_set(when, &mut job));
        job
    }

    /// Passes the observer to `call`, if there is one.
    #[inline]
    pub(super) fn notify(&self, call: impl FnOnce(&dyn Observer<J>)) {
        let observer = self.observer.borrow().clone();
        if let Some(observer) = observer {
            call(&*observer);
        }
    }

    /// Passes the observer to `call`, unless it was set or removed since there were `changes` such
    /// changes. So each call for an end has had a call for its begin.
    #[inline]
    pub(super) fn notify_end(&self, changes: u64, call: impl FnOnce(&dyn Observer<J>)) {
        if self.observer_changes.get() == changes {
            self.notify(call);
        }
    }

    /// Returns the time until Qt begins the next turn, if no event comes first. Zero if a job is
    /// ready, `None` if no timer is set.
    fn next_wait(&self) -> Option<Duration> {
        if self.reactor.borrow().ready() > 0 || self.stops_now() {
            return Some(Duration::ZERO);
        }
        let deadline = self.reactor.borrow_mut().next_deadline();
        self.wait_for_timers(Time::now(), deadline)
    }

    /// Runs `collect`, and calls the observer for the jobs that it has made ready.
    #[cold]
    pub(super) fn observe_added<R>(&self, collect: impl FnOnce() -> R) -> R {
        let ready = self.reactor.borrow().ready();
        let mut before = self.ready_before.take();
        if self.may_use_priorities() {
            before.extend(self.reactor.borrow().ready_by_priority());
        } else {
            before.push((Priority::NORMAL, ready));
        }
        let result = collect();
        if self.reactor.borrow().ready() > ready {
            self.notify(|observer| {
                let mut reactor = self.reactor.borrow_mut();
                reactor.visit_added(&before, |job| observer.collected(job));
                drop(reactor);
                observer.collection_ends();
            });
        }
        before.clear();
        self.ready_before.set(before);
        result
    }
}

impl<J: Queueable + 'static> Turn<J> {
    /// Returns the next job, after the calls of the observer for the end of the job before, if
    /// `has_ended`, and for the begin of this one.
    #[cold]
    pub(super) fn next_observed(&mut self, has_ended: bool) -> Option<J> {
        if has_ended {
            self.driver
                .notify_end(self.changes_at_job, |observer| observer.ends());
        }
        let next = if self.driver.popped.get() < self.driver.observed_end.get() {
            self.next_of_batch()
        } else {
            None
        };
        let mut job = match next {
            Some(job) => job,
            None => self.next_of_new_batch()?,
        };
        self.changes_at_job = self.driver.observer_changes.get();
        self.driver.notify(|observer| observer.begins(&mut job));
        Some(job)
    }

    /// Calls the observer for the end of the turn, and before that for the end of its job, if that
    /// has not returned.
    #[cold]
    pub(super) fn end_observed(&self, depth: usize) {
        if self.is_running {
            self.driver
                .notify_end(self.changes_at_job, |observer| observer.ends());
        }
        self.driver
            .notify_end(self.changes_at_turn, |observer| observer.turn_ends(depth));
        let wait = self.driver.next_wait();
        if wait != Some(Duration::ZERO) {
            self.driver.notify(|observer| observer.waits(wait));
        }
    }
}
