//! Counts and times of a driver, which are always on.

use std::cell::Cell;
use std::time::Duration;

use super::Driver;
use crate::reactor::{Priority, Queueable, Time, TimerStats};

/// The counts and times of a driver since it was made, and the numbers of jobs that wait in it now.
/// Times are those of the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverStats {
    /// The number of ready jobs of each priority that has some, from the highest one. A job that
    /// another thread has sent counts at the highest priority in use.
    pub ready: Vec<(Priority, usize)>,
    /// The number of timers that wait for their deadline.
    pub timers: usize,
    /// The number of watched descriptors.
    pub watches: usize,
    /// The number of jobs that have begun.
    pub jobs: u64,
    /// The number of turns that have polled, and of those of [one batch](Driver::batch). Includes
    /// turns inside jobs.
    pub turns: u64,
    /// The number of turns that an event or a deadline has begun. Qt begins the others at once,
    /// because jobs were ready.
    pub wakeups: u64,
    /// The number of times that a turn asked the operating system for events.
    pub polls: u64,
    /// The number of waits inside a turn for the next event.
    pub lingers: u64,
    /// The number of these waits that an event has ended.
    pub linger_hits: u64,
    /// The time in turns, including their polls and waits. While a job runs a Qt event loop, only
    /// the turns inside that loop count. A turn reads the clock after up to 16 quick jobs, so each
    /// can be too short by a few microseconds.
    pub in_turns: Duration,
    /// The longest time of a turn. If turns have run inside one of its jobs, the parts before and
    /// after them count separately.
    pub longest_turn: Duration,
    /// The timers that have become ready, and how late they were.
    pub fired: TimerStats,
}

/// The counters of a driver.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) turns: Cell<u64>,
    pub(super) wakeups: Cell<u64>,
    pub(super) polls: Cell<u64>,
    pub(super) lingers: Cell<u64>,
    pub(super) linger_hits: Cell<u64>,
    in_turns: Cell<Duration>,
    longest_turn: Cell<Duration>,
    recent_longest_turn: Cell<Duration>,
    /// The time from which the time of the innermost turn is not counted yet. [`Time::NEVER`]
    /// outside of turns, and when a turn inside the running job has ended.
    uncounted_since: Cell<Time>,
}

/// Adds one.
#[inline]
pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Counters {
    pub(super) fn new() -> Counters {
        Counters {
            turns: Cell::new(0),
            wakeups: Cell::new(0),
            polls: Cell::new(0),
            lingers: Cell::new(0),
            linger_hits: Cell::new(0),
            in_turns: Cell::new(Duration::ZERO),
            longest_turn: Cell::new(Duration::ZERO),
            recent_longest_turn: Cell::new(Duration::ZERO),
            uncounted_since: Cell::new(Time::NEVER),
        }
    }

    /// Counts a turn that begins, and the time of the turn around it so far.
    pub(super) fn begin_turn(&self, now: Time, is_wakeup: bool) {
        count(&self.turns);
        if is_wakeup {
            count(&self.wakeups);
        }
        self.count_time(now, now);
    }

    /// Counts the time of a turn that ends.
    pub(super) fn end_turn(&self, now: Time) {
        self.count_time(now, Time::NEVER);
    }

    /// Returns whether a turn inside a job of the innermost turn has ended, and no later job of
    /// that turn has begun.
    #[inline]
    pub(super) fn is_interrupted(&self) -> bool {
        self.uncounted_since.get() == Time::NEVER
    }

    /// Counts the innermost turn from `now` on, after turns inside one of its jobs.
    pub(super) fn resume_turn(&self, now: Time) {
        self.uncounted_since.set(now);
    }

    fn count_time(&self, now: Time, next: Time) {
        let since = self.uncounted_since.replace(next);
        let took = now.after(since).unwrap_or_default();
        self.in_turns.set(self.in_turns.get() + took);
        self.longest_turn.set(self.longest_turn.get().max(took));
        let recent = self.recent_longest_turn.get();
        self.recent_longest_turn.set(recent.max(took));
    }
}

impl<J: Queueable + 'static> Driver<J> {
    /// Returns the longest time of a turn since the last call, see [`DriverStats::longest_turn`].
    pub fn take_longest_turn(&self) -> Duration {
        self.counters.recent_longest_turn.take()
    }

    /// Returns the timers that have become ready, and how late they were.
    #[must_use]
    pub fn timer_stats(&self) -> TimerStats {
        self.reactor.borrow().timer_stats()
    }

    /// Returns the counts and times since the driver was made, and the numbers of waiting jobs.
    #[must_use]
    pub fn stats(&self) -> DriverStats {
        let reactor = self.reactor.borrow();
        let counters = &self.counters;
        let mut ready: Vec<_> = reactor.ready_by_priority().collect();
        let sent = reactor.queued() - reactor.ready();
        if sent > 0 {
            match ready.first_mut() {
                Some((priority, count)) if *priority == reactor.highest() => *count += sent,
                _ => ready.insert(0, (reactor.highest(), sent)),
            }
        }
        DriverStats {
            ready,
            timers: reactor.timed(),
            watches: reactor.watches(),
            jobs: self.popped.get(),
            turns: counters.turns.get(),
            wakeups: counters.wakeups.get(),
            polls: counters.polls.get(),
            lingers: counters.lingers.get(),
            linger_hits: counters.linger_hits.get(),
            in_turns: counters.in_turns.get(),
            longest_turn: counters.longest_turn.get(),
            fired: reactor.timer_stats(),
        }
    }
}
