//! The jobs of a driver: queued, timed, and waiting for a file descriptor.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use super::stats::count;
use super::{Driver, Turn};
use crate::reactor::{Direction, Linger, Poller, Priority, Queueable, Remote, Time, TimerKey};

impl<J: Queueable + 'static> Driver<J> {
    /// Queues a job, from this thread, behind the ready jobs of its priority.
    #[inline(always)] // otherwise the job is built in memory and read back in pieces, which stalls
    pub fn push(&self, job: J) {
        if self.is_observed.get() {
            self.push_observed(job);
        } else {
            self.enqueue(job);
        }
    }

    /// Queues a job, after the observer was notified.
    #[inline(always)] // as `push`
    pub(super) fn enqueue(&self, job: J) {
        if job.priority() == Priority::NORMAL && !job.is_urgent() {
            self.reactor.borrow_mut().push_normal(job);
        } else {
            self.push_by_priority(job);
        }
        self.arm_now();
    }

    /// Puts a job that could not run yet before the ready jobs of its priority.
    pub fn push_front(&self, job: J) {
        self.note_priority(job.priority());
        self.reactor.borrow_mut().push_front(job);
        self.arm_now();
    }

    /// Queues a job for a deadline. See [`Reactor::push_at`].
    pub fn push_at(&self, when: Time, job: J) -> TimerKey {
        let job = if self.is_observed.get() {
            self.observe_timer(when, job)
        } else {
            job
        };
        let mut reactor = self.reactor.borrow_mut();
        let earliest = reactor.next_deadline();
        self.note_priority(job.priority());
        let is_exact = job.priority() < Priority::NORMAL;
        let key = reactor.push_at(when, job);
        let is_earliest = earliest.is_none_or(|earliest| when < earliest);
        drop(reactor);
        // The end of a turn sets the timerfd for all timers of the turn. Outside of a turn, a timer
        // that is not the earliest needs no change of the timerfd, unless it has no slack.
        if (is_earliest || is_exact) && !self.armed.get() {
            if self.is_here() {
                self.arm_for_next(false);
            } else {
                self.arm_now()
            }
        }
        key
    }

    /// Removes a timer and returns its job. See [`Reactor::cancel`].
    pub fn cancel(&self, key: TimerKey) -> Option<J> {
        self.reactor.borrow_mut().cancel(key)
    }

    /// Queues a job whenever a descriptor is ready. See [`Reactor::watch`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch(&self, fd: RawFd, direction: Direction, job: J) -> io::Result<[Option<J>; 2]> {
        self.note_priority(job.priority());
        self.reactor.borrow_mut().watch(fd, direction, job)
    }

    /// Queues a job whenever something has happened to a descriptor. See [`Reactor::watch_edges`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch_edges(
        &self,
        fd: RawFd,
        direction: Direction,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        self.note_priority(job.priority());
        self.reactor.borrow_mut().watch_edges(fd, direction, job)
    }

    /// Queues a job when a descriptor is ready for the first time. See [`Reactor::watch_once`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch_once(
        &self,
        fd: RawFd,
        direction: Direction,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        self.note_priority(job.priority());
        self.reactor.borrow_mut().watch_once(fd, direction, job)
    }

    /// Ends a watch. See [`Reactor::unwatch`].
    pub fn unwatch(
        &self,
        fd: RawFd,
        direction: Direction,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        self.reactor.borrow_mut().unwatch(fd, direction, is_mine)
    }

    /// Registers a descriptor again that a [`Poller`] has deregistered. See [`Reactor::restore`].
    pub fn restore(&self, fd: RawFd) {
        self.reactor.borrow_mut().restore(fd);
    }

    /// Returns whether a direction of a descriptor is watched. See [`Reactor::is_watched`].
    #[must_use]
    pub fn is_watched(&self, fd: RawFd, direction: Direction) -> bool {
        self.reactor.borrow().is_watched(fd, direction)
    }

    /// Returns whether a descriptor has reported a hang-up. See [`Reactor::is_hung_up`].
    #[must_use]
    pub fn is_hung_up(&self, fd: RawFd) -> bool {
        self.reactor.borrow().is_hung_up(fd)
    }

    /// Re-arms a watch after its job has run. See [`Reactor::rearm`].
    pub fn rearm(&self, fd: RawFd, direction: Direction, is_mine: impl FnOnce(&J) -> bool) {
        let rearm = || self.reactor.borrow_mut().rearm(fd, direction, is_mine);
        self.collect_by(rearm);
    }

    /// Returns a handle that queues jobs from other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<J> {
        self.reactor.borrow().remote()
    }

    /// Returns a handle to the poller for other threads.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn poller(&self) -> io::Result<Poller> {
        self.reactor.borrow().poller()
    }

    /// Returns the number of jobs that were queued since the last outermost turn, that is, by calls
    /// from Qt.
    #[must_use]
    pub fn queued_since_turn(&self) -> u64 {
        self.end_of_ready().saturating_sub(self.last_queued.get())
    }

    /// Removes and returns all jobs: ready, timed and watching. From now on, jobs that other
    /// threads send are handed back to them. The caller drops the jobs when it closes the loop:
    /// their destructors are user code, which may panic.
    pub fn drain(&self) -> Vec<J> {
        self.reactor.borrow_mut().drain()
    }

    /// Returns a turn of one batch, the jobs that are ready now, without Qt and without collecting.
    pub fn batch(self: &Rc<Self>) -> Turn<J> {
        Turn::of_one_batch(Rc::clone(self))
    }

    /// Calls `visit` for every job. `visit` must not use the driver. Returns false, without calling
    /// it, if the reactor is borrowed by a caller up the stack.
    pub fn visit(&self, mut visit: impl FnMut(&J)) -> bool {
        self.reactor.try_borrow().is_ok_and(|reactor| {
            reactor.jobs().for_each(&mut visit);
            true
        })
    }

    /// Returns the number of queued jobs. See [`Reactor::queued`].
    #[must_use]
    pub fn queued(&self) -> usize {
        self.reactor.borrow().queued()
    }

    /// Calls `visit` for each queued job, in order. See [`Reactor::visit_queued`]. `visit` must not
    /// use the driver.
    pub fn visit_queued(&self, visit: impl FnMut(&J)) {
        self.reactor.borrow().visit_queued(visit);
    }

    /// Returns the number of timers. See [`Reactor::timed`].
    #[must_use]
    pub fn timed(&self) -> usize {
        self.reactor.borrow().timed()
    }

    /// Calls `visit` for the job of each timer, by deadline. See [`Reactor::timed_jobs`]. `visit`
    /// must not use the driver.
    pub fn visit_timed(&self, visit: impl FnMut(&J)) {
        self.reactor.borrow().timed_jobs().for_each(visit);
    }

    /// Calls `visit` for each watched direction of a descriptor and its job. See
    /// [`Reactor::watch_jobs`]. `visit` must not use the driver.
    pub fn visit_watches(&self, mut visit: impl FnMut(RawFd, Direction, &J)) {
        let reactor = self.reactor.borrow();
        for (fd, direction, job) in reactor.watch_jobs() {
            visit(fd, direction, job);
        }
    }

    /// Sets by how much timers may be late when many are due at nearly the same time, so that one
    /// wake-up serves them together. The default is 250 µs.
    pub fn set_timer_slack(&self, slack: Duration) {
        self.reactor.borrow_mut().set_timer_slack(slack);
    }

    /// Runs `collect`, and calls the observer for the jobs that it has made ready, if there is one.
    fn collect_by<R>(&self, collect: impl FnOnce() -> R) -> R {
        if self.is_observed.get() {
            self.observe_added(collect)
        } else {
            collect()
        }
    }

    /// Polls, and makes the due jobs ready.
    pub(super) fn collect(&self, now: Time) {
        self.polled.set(now);
        count(&self.counters.polls);
        let collect = || self.reactor.borrow_mut().collect(self.timer_time(now));
        let result = if self.is_observed.get() {
            let changes = self.observer_changes.get();
            self.notify(|observer| observer.poll_begins(Duration::ZERO));
            let result = self.observe_added(collect);
            self.notify_end(changes, |observer| observer.poll_ends(Duration::ZERO));
            result
        } else {
            collect()
        };
        if let Err(error) = result {
            self.error.replace(Some(error));
        }
    }

    /// Makes the due timers ready.
    pub(super) fn collect_timers(&self, now: Time) {
        let collect = || {
            self.reactor
                .borrow_mut()
                .collect_timers(self.timer_time(now));
        };
        self.collect_by(collect);
    }

    /// Waits by `wait`, and makes the jobs of the events ready.
    pub(super) fn linger_by(
        &self,
        mut linger: Linger,
        timeout: Duration,
        wait: impl FnOnce(&mut Linger),
    ) {
        let changes = self.observer_changes.get();
        if self.is_observed.get() {
            self.notify(|observer| observer.poll_begins(timeout));
        }
        wait(&mut linger);
        count(&self.counters.lingers);
        let before = self.reactor.borrow().ready();
        let end = || self.reactor.borrow_mut().end_linger(linger);
        let result = if self.is_observed.get() {
            let result = self.observe_added(end);
            self.notify_end(changes, |observer| observer.poll_ends(timeout));
            result
        } else {
            end()
        };
        if let Err(error) = result {
            self.error.replace(Some(error));
        }
        if self.reactor.borrow().ready() > before {
            count(&self.counters.linger_hits);
        }
    }

    /// Takes the error of the last failed poll; it means that the poller's descriptor was closed.
    /// Timers and the queue still work, but nothing else wakes the loop any more.
    pub fn take_error(&self) -> Option<io::Error> {
        self.error.take()
    }

    /// Returns the number at which a batch that begins now ends.
    pub(super) fn end_of_ready(&self) -> u64 {
        self.popped.get() + self.reactor.borrow().ready() as u64
    }

    /// Removes the next job of the normal lane.
    #[inline]
    pub(super) fn pop_normal(&self) -> Option<J> {
        let job = self.reactor.borrow_mut().pop_normal()?;
        self.popped.set(self.popped.get() + 1);
        Some(job)
    }
}
