//! What is ready, what is timed, and who waits for which descriptor: jobs go in, and come out in order.
//!
//! A [`Reactor`] never blocks and never calls anybody. It is the oldest contract of an embeddable loop: a descriptor
//! that becomes readable when there is something to [collect](Reactor::collect), a [deadline](Reactor::next_deadline)
//! by which to look again, and a queue to [pop](Reactor::pop) from. It takes the time as an argument and any `J` as a
//! job, so order, fairness and cancelling are tested with `Reactor<&str>`, without Qt and without sleeping.

mod alarm;
mod clock;
mod remote;
mod source;
#[cfg(all(test, not(loom)))]
mod tests;
mod timers;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

pub use clock::Time;
pub use remote::{Remote, Wake};
pub use source::{Poller, Side};
pub use timers::{TimerKey, Timers};

use alarm::Alarm;
use source::{Collected, Sources, Trigger, WAKER};

/// How many timers are made ready at once.
const TIMERS: usize = 1024;

/// A job that can wait for a descriptor, and so can be due more than once.
pub trait Recur {
    /// The same job for one more run.
    #[must_use]
    fn again(&self) -> Self;
}

impl Recur for &str {
    fn again(&self) -> Self {
        self
    }
}

/// The jobs of one loop. See the module.
pub struct Reactor<J> {
    ready: VecDeque<J>,
    timers: Timers<J>,
    sources: Sources<J>,
    inbox: Remote<J>,
    alarm: Option<Alarm>,
    /// Descriptors or other threads had something since the last `take_active`.
    active: bool,
}

impl<J: Recur> Reactor<J> {
    /// A reactor whose descriptor also becomes readable when the next deadline passes, if the platform can do that
    /// (`alarm`, a Linux timerfd); otherwise the caller must look again by itself.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn new(alarm: bool) -> io::Result<Reactor<J>> {
        let sources = Sources::new()?;
        let waker = mio::Waker::new(sources.registry(), WAKER)?;
        let alarm = if alarm {
            Some(Alarm::new(sources.registry())?)
        } else {
            None
        };
        Ok(Reactor {
            ready: VecDeque::new(),
            timers: Timers::new(),
            inbox: Remote::new(waker),
            sources,
            alarm,
            active: false,
        })
    }

    /// Gives a forked child a poller of its own. The one it has inherited is its parent's too: what the child took from it
    /// or changed in it would be missing there. Remotes of before the fork hand jobs back.
    ///
    /// # Errors
    /// The operating system has no descriptor left; nothing has changed then.
    pub fn after_fork(&mut self) -> io::Result<()> {
        let mut fresh = Reactor::new(self.alarm.is_some())?;
        fresh.sources.adopt(&mut self.sources);
        std::mem::swap(&mut fresh.ready, &mut self.ready);
        std::mem::swap(&mut fresh.timers, &mut self.timers);
        fresh.ready.extend(self.inbox.close());
        *self = fresh;
        Ok(())
    }

    /// The descriptor that is readable when there is something to collect.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.sources.as_fd()
    }

    /// The way in from other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<J> {
        self.inbox.clone()
    }

    /// The poller, for other threads.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn poller(&self) -> io::Result<Poller> {
        self.sources.poller()
    }

    /// Makes the descriptor readable, so that whoever waits for it collects.
    pub fn ring(&self) {
        self.inbox.ring();
    }

    /// Queues a job behind all that are ready.
    #[inline(always)]
    pub fn push(&mut self, job: J) {
        self.ready.push_back(job);
    }

    /// Puts a job before all that are ready, because its turn had come and it had to wait.
    pub fn push_front(&mut self, job: J) {
        self.ready.push_front(job);
    }

    /// The job that has been ready longest.
    pub fn pop(&mut self) -> Option<J> {
        self.ready.pop_front()
    }

    /// How many jobs are ready.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Queues a job for a moment; never before it.
    pub fn push_at(&mut self, when: Time, job: J) -> TimerKey {
        self.timers.insert(when, job)
    }

    /// Gives the job of a timer back, unless it is ready already.
    pub fn cancel(&mut self, key: TimerKey) -> Option<J> {
        self.timers.cancel(key)
    }

    /// Makes `job` ready whenever that side of `fd` is, and returns the jobs that it replaces: of that side, and of the
    /// other if it waited for a file that has gone and whose number this one has got. After each run of the job,
    /// [`rearm`](Reactor::rearm) says that it may be due again.
    ///
    /// # Errors
    /// `fd` is not open, or is of a kind that cannot be waited for, such as a regular file.
    pub fn watch(&mut self, fd: RawFd, side: Side, job: J) -> io::Result<[Option<J>; 2]> {
        self.sources.watch(fd, side, Trigger::Level, job)
    }

    /// As [`watch`](Reactor::watch), for a job that goes on until the system says that there is no more: after it has run
    /// it is due when something has happened to `fd` since it was handed out, and not before. That saves a system call per
    /// run.
    ///
    /// # Errors
    /// As `watch`.
    pub fn watch_edges(&mut self, fd: RawFd, side: Side, job: J) -> io::Result<[Option<J>; 2]> {
        self.sources.watch(fd, side, Trigger::Edge, job)
    }

    /// As [`watch`](Reactor::watch), for a job that is due once. What waits again and again saves two system calls each time.
    ///
    /// # Errors
    /// As `watch`.
    pub fn watch_once(&mut self, fd: RawFd, side: Side, job: J) -> io::Result<[Option<J>; 2]> {
        self.sources.watch(fd, side, Trigger::Once, job)
    }

    /// Ends the watch of that side of `fd`, which may be closed, if `is_mine` knows its job, and returns that.
    pub fn unwatch(
        &mut self,
        fd: RawFd,
        side: Side,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        self.sources.unwatch(fd, side, is_mine)
    }

    /// The [`Poller`] has forgotten `fd` for a waiter that has left since: has it look after those that stay.
    pub fn restore(&mut self, fd: RawFd) {
        self.sources.restore(fd);
    }

    /// Whether that side of `fd` is watched.
    #[must_use]
    pub fn is_watched(&self, fd: RawFd, side: Side) -> bool {
        self.sources.is_watched(fd, side)
    }

    /// Whether the other end of `fd` has gone, there was an error or there were urgent data, since it is watched: then a
    /// short read is not the end of what there is.
    #[must_use]
    pub fn is_hung_up(&self, fd: RawFd) -> bool {
        self.sources.is_hung_up(fd)
    }

    /// The job of that side of `fd` has run, if `is_mine` knows it: look at the descriptor again.
    pub fn rearm(&mut self, fd: RawFd, side: Side, is_mine: impl FnOnce(&J) -> bool) {
        self.ready.extend(self.sources.rearm(fd, side, is_mine));
    }

    /// Makes ready what is due, without blocking: first the jobs of descriptors and of other threads, then timers.
    ///
    /// # Errors
    /// The poller failed.
    pub fn collect(&mut self, now: Time) -> io::Result<()> {
        let Collected { rung, active } = self.sources.collect(&mut self.ready)?;
        self.active |= active || rung;
        if rung {
            self.inbox.take(&mut self.ready);
        }
        self.collect_timers(now);
        Ok(())
    }

    /// Makes ready what is due of the timers alone, which costs no system call. Of a crowd the first thousand: there is time for the
    /// others, and none to keep everything waiting for them.
    pub fn collect_timers(&mut self, now: Time) {
        let before = self.ready.len();
        let due = std::iter::from_fn(|| self.timers.pop_due(now));
        self.ready.extend(due.take(TIMERS));
        if let Some(alarm) = &mut self.alarm {
            alarm.count(self.ready.len() - before);
        }
    }

    /// Whether descriptors or other threads had something since this was asked last: then more may be about to come.
    pub fn take_active(&mut self) -> bool {
        std::mem::take(&mut self.active)
    }

    /// When the earliest timer is due.
    pub fn next_deadline(&mut self) -> Option<Time> {
        self.timers.next_due()
    }

    /// Sets how late the alarm may ring where timers come in crowds, in place of 250 µs.
    pub fn set_crowd_slack(&mut self, slack: Duration) {
        if let Some(alarm) = &mut self.alarm {
            alarm.crowd_slack = slack;
        }
    }

    /// Sets the alarm for the earliest timer, or up to 50 µs later if that is about to come (250 µs if timers come in
    /// crowds): others may come with it.
    /// Returns false if this reactor has none.
    pub fn set_alarm(&mut self, now: Time) -> bool {
        let next = self.timers.next_due();
        self.alarm
            .as_mut()
            .is_some_and(|alarm| alarm.set(next, now).is_ok())
    }

    /// Whether deadlines make the [descriptor](Reactor::descriptor) readable.
    #[must_use]
    pub fn has_alarm(&self) -> bool {
        self.alarm.is_some()
    }

    /// Takes out all jobs that are held, in no order, and hands those that other threads send back to them.
    pub fn drain(&mut self) -> Vec<J> {
        let mut jobs: Vec<J> = std::mem::take(&mut self.ready).into();
        jobs.extend(self.inbox.close());
        jobs.extend(self.timers.drain());
        jobs.extend(self.sources.drain());
        jobs
    }

    /// All jobs that are held, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = &J> {
        self.ready
            .iter()
            .chain(self.timers.jobs())
            .chain(self.sources.jobs())
    }
}

impl<J> Drop for Reactor<J> {
    fn drop(&mut self) {
        // A remote may live on; what nobody took is dropped here, with the rest.
        drop(self.inbox.close());
    }
}

impl<J> fmt::Debug for Reactor<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reactor")
            .field("ready", &self.ready.len())
            .field("alarm", &self.alarm)
            .finish_non_exhaustive()
    }
}
