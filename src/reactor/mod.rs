//! The queue of a loop: ready jobs, jobs with a deadline, and jobs that wait for a file descriptor.
//!
//! The ready jobs and the timers are in lanes, one for each [`Priority`] in use. A [`Reactor`]
//! never blocks and never calls a callback. It has the usual interface of an embeddable loop:
//!
//! - a descriptor that becomes readable when there is something to [collect](Reactor::collect),
//! - a [deadline](Reactor::next_deadline) by which to collect again,
//! - a queue to [pop](Reactor::pop) jobs from.
//!
//! It takes the time as an argument and any `J` as a job, so order, fairness and cancellation are
//! tested with `Reactor<&str>`, without Qt and without sleeping.

mod clock;
mod event;
mod lanes;
mod linger;
mod priority;
mod remote;
mod source;
#[cfg(all(test, not(loom)))]
mod tests;
mod timer_fd;
mod timers;
mod visit;

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

pub use clock::Time;
pub use linger::Linger;
#[cfg(feature = "tasks")]
pub(crate) use priority::AtomicPriority;
pub use priority::Priority;
pub use remote::{Remote, Wake};
pub use source::{Direction, Poller};
pub use timers::{TimerKey, TimerStats, Timers};

use lanes::Lanes;
use source::{Collected, Sources, Trigger, WAKER};
use timer_fd::TimerFd;

/// The maximum number of timers that become ready in one collection.
const TIMERS: usize = 1024;

/// A type of jobs.
pub trait Queueable {
    /// Returns the same job for one more run. Called only for jobs of [`watch`](Reactor::watch) and
    /// [`watch_edges`](Reactor::watch_edges), which can become ready more than once.
    #[must_use]
    fn repeat(&self) -> Self;

    /// Returns the priority at which the job runs.
    fn priority(&self) -> Priority {
        Priority::NORMAL
    }

    /// Returns whether the job is queued with the highest priority in use, not with its own.
    fn is_urgent(&self) -> bool {
        false
    }
}

impl Queueable for &str {
    fn repeat(&self) -> Self {
        self
    }
}

/// The jobs of one loop. See the module's documentation.
pub struct Reactor<J> {
    lanes: Lanes<J>,
    sources: Sources<J>,
    inbox: Remote<J>,
    timer_fd: Option<TimerFd>,
    /// A descriptor or another thread had an event since the last `take_active`.
    active: bool,
}

impl<J: Queueable> Reactor<J> {
    /// Makes a reactor. With `timer_fd` (a Linux timerfd), its descriptor also becomes readable at
    /// the next deadline; without it, the caller must collect at the deadline by itself.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn new(timer_fd: bool) -> io::Result<Reactor<J>> {
        let sources = Sources::new()?;
        let waker = mio::Waker::new(sources.registry(), WAKER)?;
        let timer_fd = if timer_fd {
            Some(TimerFd::new(sources.registry())?)
        } else {
            None
        };
        Ok(Reactor {
            lanes: Lanes::new(),
            inbox: Remote::new(waker),
            sources,
            timer_fd,
            active: false,
        })
    }

    /// Replaces the poller in a forked child. The inherited poller is shared with the parent:
    /// events that the child took from it, or changes that it made, would affect the parent. All
    /// jobs and watches stay; the next [`collect`](Reactor::collect) registers the watches. A
    /// [`Remote`] made before the fork hands jobs back.
    ///
    /// # Errors
    /// The operating system has no descriptor left; then nothing has changed.
    pub fn after_fork(&mut self) -> io::Result<()> {
        let mut fresh = Reactor::new(self.timer_fd.is_some())?;
        fresh.sources.adopt(&mut self.sources);
        std::mem::swap(&mut fresh.lanes, &mut self.lanes);
        fresh.lanes.urgent().extend(self.inbox.close());
        if let (Some(fresh), Some(inherited)) = (&mut fresh.timer_fd, &self.timer_fd) {
            fresh.coalesce_slack = inherited.coalesce_slack;
        }
        *self = fresh;
        Ok(())
    }

    /// Returns the descriptor that is readable when there is something to collect.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.sources.as_fd()
    }

    /// Returns a handle that queues jobs from other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<J> {
        self.inbox.clone()
    }

    /// Returns a handle to the poller for other threads.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn poller(&self) -> io::Result<Poller> {
        self.sources.poller()
    }

    /// Makes the descriptor readable, so that the loop's thread collects.
    pub fn ring(&self) {
        self.inbox.ring();
    }

    /// Queues a job behind the ready jobs of its priority.
    #[inline(always)]
    pub fn push(&mut self, job: J) {
        self.lanes.push(job);
    }

    /// Puts a job that could not run yet before the ready jobs of its priority.
    pub fn push_front(&mut self, job: J) {
        self.lanes.push_front(job);
    }

    /// Returns whether all jobs, timers and watches have the normal priority, and no other one is
    /// [retained](Reactor::retain).
    #[inline]
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.lanes.is_plain()
    }

    /// Returns the highest priority in use: that of a job, a timer or a watch, or a
    /// [retained](Reactor::retain) one, and at least the normal one.
    #[must_use]
    pub fn highest(&self) -> Priority {
        self.lanes.highest()
    }

    /// Marks a priority as in use until [`release`](Reactor::release), for a task that may queue
    /// jobs of that priority.
    pub fn retain(&mut self, priority: Priority) {
        self.lanes.retain(priority);
    }

    /// Takes back one [`retain`](Reactor::retain).
    pub fn release(&mut self, priority: Priority) {
        self.lanes.release(priority);
    }

    /// Moves ready jobs of a priority, in their order, behind those of the priority that they have
    /// now. `changed` may change a job, and returns whether to move it.
    pub fn requeue(&mut self, from: Priority, changed: impl FnMut(&mut J) -> bool) {
        self.lanes.requeue(from, changed);
    }

    /// Returns the first priority that has ready jobs; of those after `after`, if it is given.
    #[must_use]
    pub fn first_ready(&self, after: Option<Priority>) -> Option<Priority> {
        self.lanes.first_ready(after)
    }

    /// Returns the number of ready jobs of each priority that has some.
    pub fn ready_by_priority(&self) -> impl Iterator<Item = (Priority, usize)> {
        self.lanes.ready_by_lane()
    }

    /// Calls `visit` for the jobs that have become ready since
    /// [`ready_by_priority`](Reactor::ready_by_priority) returned `before`. No job may have been
    /// removed since.
    pub fn visit_added(&mut self, before: &[(Priority, usize)], visit: impl FnMut(&mut J)) {
        self.lanes.visit_added(before, visit);
    }

    /// Removes and returns the job that has been ready longest, of those with the first priority,
    /// and that priority. An urgent job has the highest priority in use here.
    pub fn pop_first(&mut self) -> Option<(Priority, J)> {
        self.lanes.pop_first()
    }

    /// Removes and returns the job of this priority that has been ready longest.
    pub fn pop_from(&mut self, priority: Priority) -> Option<J> {
        self.lanes.pop_from(priority)
    }

    /// Queues a job of the normal priority that is not urgent, as [`push`](Reactor::push) does.
    #[inline]
    pub fn push_normal(&mut self, job: J) {
        self.lanes.push_normal(job);
    }

    /// Removes and returns the job of the normal priority that has been ready longest.
    #[inline]
    pub fn pop_normal(&mut self) -> Option<J> {
        self.lanes.pop_normal()
    }

    /// Removes and returns the job that has been ready longest, of those with the first priority.
    #[inline]
    pub fn pop(&mut self) -> Option<J> {
        self.lanes.pop()
    }

    /// Returns the number of ready jobs.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.lanes.ready()
    }

    /// Queues a job for a deadline. It never becomes ready before that.
    pub fn push_at(&mut self, when: Time, job: J) -> TimerKey {
        self.lanes.push_at(when, job)
    }

    /// Removes a timer and returns its job, unless the job is ready already.
    pub fn cancel(&mut self, key: TimerKey) -> Option<J> {
        self.lanes.cancel(key)
    }

    /// Makes `job` ready whenever that direction of `fd` is ready, and returns the jobs that it
    /// replaces. These are the job of that direction, and the job of the other one if it watched a
    /// closed file whose number `fd` now has. After each run of the job, call
    /// [`rearm`](Reactor::rearm) to make it due again.
    ///
    /// # Errors
    /// `fd` is not open, or is of a kind that cannot be polled, such as a regular file.
    pub fn watch(&mut self, fd: RawFd, direction: Direction, job: J) -> io::Result<[Option<J>; 2]> {
        self.watch_with(fd, direction, Trigger::Level, job)
    }

    /// Watches like [`watch`](Reactor::watch), for a job that drains the descriptor (until `EAGAIN`
    /// or a short read). After the job has run and was re-armed, it becomes ready again only for an
    /// event that was collected since it was made ready. That saves a system call per run.
    ///
    /// # Errors
    /// As `watch`.
    pub fn watch_edges(
        &mut self,
        fd: RawFd,
        direction: Direction,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        self.watch_with(fd, direction, Trigger::Edge, job)
    }

    /// Watches like [`watch`](Reactor::watch), for a job that becomes ready once: then its watch
    /// has ended, without [`rearm`](Reactor::rearm) or [`unwatch`](Reactor::unwatch). The
    /// descriptor stays registered, so each repeated wait costs one system call instead of two.
    ///
    /// # Errors
    /// As `watch`.
    pub fn watch_once(
        &mut self,
        fd: RawFd,
        direction: Direction,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        self.watch_with(fd, direction, Trigger::Once, job)
    }

    fn watch_with(
        &mut self,
        fd: RawFd,
        direction: Direction,
        trigger: Trigger,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        let priority = job.priority();
        let replaced = self.sources.watch(fd, direction, trigger, job)?;
        self.lanes.retain(priority);
        for job in replaced.iter().flatten() {
            self.lanes.release(job.priority());
        }
        Ok(replaced)
    }

    /// Stops watching that direction of `fd`, which may be closed, if `is_mine` accepts its job.
    /// Returns the job.
    pub fn unwatch(
        &mut self,
        fd: RawFd,
        direction: Direction,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        let job = self.sources.unwatch(fd, direction, is_mine)?;
        self.lanes.release(job.priority());
        Some(job)
    }

    /// Changes the job that watches that direction of `fd`, such as its priority, if there is one.
    pub fn change_watch(&mut self, fd: RawFd, direction: Direction, change: impl FnOnce(&mut J)) {
        let Some(job) = self.sources.job_mut(fd, direction) else {
            return;
        };
        let before = job.priority();
        change(job);
        let after = job.priority();
        self.lanes.retain(after);
        self.lanes.release(before);
    }

    /// Registers `fd` again for its remaining waiters, after another thread has called
    /// [`Poller::deregister`].
    pub fn restore(&mut self, fd: RawFd) {
        self.sources.restore(fd);
    }

    /// Returns whether that direction of `fd` is watched.
    #[must_use]
    pub fn is_watched(&self, fd: RawFd, direction: Direction) -> bool {
        self.sources.is_watched(fd, direction)
    }

    /// Returns whether `fd` has reported a hang-up, an error or urgent data since it was watched.
    /// Then a short read does not mean that all data were read.
    #[must_use]
    pub fn is_hung_up(&self, fd: RawFd) -> bool {
        self.sources.is_hung_up(fd)
    }

    /// Re-arms the watch of that direction of `fd` after its job has run, if `is_mine` accepts the
    /// job.
    pub fn rearm(&mut self, fd: RawFd, direction: Direction, is_mine: impl FnOnce(&J) -> bool) {
        self.lanes
            .extend(self.sources.rearm(fd, direction, is_mine));
    }

    /// Makes due jobs ready, without blocking: first those of descriptors and of other threads,
    /// then timers.
    ///
    /// # Errors
    /// The poller failed. Timers that are due, and jobs of other threads, became ready
    /// nevertheless.
    pub fn collect(&mut self, now: Time) -> io::Result<()> {
        let collected = self.sources.collect(&mut self.lanes);
        let result = self.note(collected);
        self.collect_timers(now);
        result
    }

    /// Collects the jobs of other threads if the poller says that there are some.
    fn note(&mut self, collected: io::Result<Collected>) -> io::Result<()> {
        let rung = match &collected {
            Ok(Collected { rung, active }) => {
                self.active |= active | rung;
                *rung
            }
            Err(_) => true, // it cannot be known
        };
        if rung {
            self.inbox.take(self.lanes.urgent());
        }
        collected.map(drop)
    }

    /// Returns a wait for events of at most `timeout`. `descriptor` is a duplicate of
    /// [`descriptor`](Reactor::descriptor). After the wait, call
    /// [`end_linger`](Reactor::end_linger).
    pub fn linger(&mut self, descriptor: Arc<OwnedFd>, timeout: Duration) -> Linger {
        self.sources.linger(descriptor, timeout)
    }

    /// Collects like [`collect`](Reactor::collect), except timers, after a wait that has taken the
    /// events.
    ///
    /// # Errors
    /// As `collect`.
    pub fn end_linger(&mut self, linger: Linger) -> io::Result<()> {
        let collected = self.sources.end_linger(linger, &mut self.lanes);
        self.note(collected)
    }

    /// Makes due timers ready, without a system call; at most 1024 of them, so that many timers
    /// cannot delay other jobs. The next collection takes the rest.
    pub fn collect_timers(&mut self, now: Time) {
        let due = self.lanes.collect_timers(now, TIMERS);
        if let Some(timer_fd) = &mut self.timer_fd {
            timer_fd.count(due);
        }
    }

    /// Returns whether a descriptor or another thread had an event since the last call; then more
    /// may follow soon.
    pub fn take_active(&mut self) -> bool {
        std::mem::take(&mut self.active)
    }

    /// Returns the deadline of the earliest timer.
    pub fn next_deadline(&mut self) -> Option<Time> {
        self.lanes.next_due()
    }

    /// Returns how many timers have become ready, and how late they were.
    #[must_use]
    pub fn timer_stats(&self) -> TimerStats {
        self.lanes.timer_stats()
    }

    /// Sets by how much the timerfd may be late when many timers are due at nearly the same time.
    /// The default is 250 µs.
    pub fn set_timer_slack(&mut self, slack: Duration) {
        if let Some(timer_fd) = &mut self.timer_fd {
            timer_fd.coalesce_slack = slack;
        }
    }

    /// Sets the timerfd for the earliest timer. If that is due within the slack, sets it up to the
    /// slack later, so that one wake-up serves several timers. The slack is 50 µs, or that of
    /// [`set_timer_slack`](Reactor::set_timer_slack) when many timers have just fired. A timer with
    /// a higher priority than the normal one has no slack. Returns false if this reactor has no
    /// timerfd, or if setting it failed.
    pub fn arm_timer_fd(&mut self, now: Time) -> bool {
        let Some(timer_fd) = &mut self.timer_fd else {
            return false;
        };
        let (next, exact) = (self.lanes.next_due(), self.lanes.next_exact());
        timer_fd.set(next, exact, now).is_ok()
    }

    /// Returns whether deadlines make the [descriptor](Reactor::descriptor) readable.
    #[must_use]
    pub fn has_timer_fd(&self) -> bool {
        self.timer_fd.is_some()
    }

    /// Removes and returns all jobs, in no order. From now on, jobs that other threads send are
    /// handed back to them.
    pub fn drain(&mut self) -> Vec<J> {
        let mut jobs = self.lanes.drain();
        jobs.extend(self.inbox.close());
        jobs.extend(self.sources.drain());
        jobs
    }
}

impl<J> Drop for Reactor<J> {
    fn drop(&mut self) {
        // A `Remote` may outlive the reactor. Drop the jobs that it has queued.
        drop(self.inbox.close());
    }
}

impl<J: Queueable> fmt::Debug for Reactor<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reactor")
            .field("ready", &self.ready())
            .field("timer_fd", &self.timer_fd)
            .finish_non_exhaustive()
    }
}
