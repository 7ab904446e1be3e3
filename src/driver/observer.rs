//! An observer of a driver: it is told when jobs are queued and run, and when the loop polls and
//! waits.
//!
//! While there is no observer, a queued job costs one test, and a job that runs costs nothing. With
//! one, each job takes the slower path of [`Turn::next`].

use std::rc::Rc;
use std::time::Duration;

use super::{Driver, Turn};
use crate::reactor::{Priority, Queueable, Time};

/// Is told what a driver does, on the driver's thread. All methods do nothing by default.
///
/// No cell of the driver is borrowed during a call, so an observer may read the driver. It must not
/// queue or run jobs.
pub trait Observer<J> {
    /// Running code, or code outside of any job, has queued a job that is ready.
    fn queued(&self, _job: &mut J) {}

    /// A job was queued for a deadline.
    fn timer_set(&self, _when: Time, _job: &mut J) {}

    /// A poll has made a job ready: that of a descriptor, a timer or another thread.
    fn collected(&self, _job: &mut J) {}

    /// A job is about to run.
    fn begins(&self, _job: &mut J) {}

    /// The job that began last, of those that have not ended, has returned.
    fn ends(&self) {}

    /// A turn begins. `depth` is 1 for a call by Qt outside of any job.
    fn turn_begins(&self, _depth: usize) {}

    /// The turn that began last, of those that have not ended, ends.
    fn turn_ends(&self, _depth: usize) {}

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
        self.plain_end.set(0); // a turn that is running must ask again
        drop(self.observer.replace(observer));
    }

    /// Returns whether there is an observer.
    #[inline]
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.is_observed.get()
    }

    /// Calls `tell` with the observer, if there is one.
    #[cold]
    pub(super) fn tell(&self, tell: impl FnOnce(&dyn Observer<J>)) {
        let observer = self.observer.borrow().clone();
        if let Some(observer) = observer {
            tell(&*observer);
        }
    }

    /// Runs `collect`, and tells the observer which jobs it has made ready.
    #[cold]
    pub(super) fn observe_added<R>(&self, collect: impl FnOnce() -> R) -> R {
        let before: Vec<(Priority, usize)> = self.reactor.borrow().ready_by_priority().collect();
        let result = collect();
        let observer = self.observer.borrow().clone();
        if let Some(observer) = observer {
            // The cell is borrowed during these calls: each may only read and change its job.
            self.reactor
                .borrow_mut()
                .visit_added(&before, |job| observer.collected(job));
        }
        result
    }
}

impl<J: Queueable + 'static> Turn<J> {
    /// Returns the next job, and tells the observer about it. `has_ended` says whether a job of
    /// this turn has returned.
    #[cold]
    pub(super) fn next_observed(&mut self, has_ended: bool) -> Option<J> {
        if has_ended {
            self.driver.tell(|observer| observer.ends());
        }
        let mut job = self.next_of_new_batch()?;
        self.driver.tell(|observer| observer.begins(&mut job));
        Some(job)
    }
}
