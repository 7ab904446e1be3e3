//! Counts and times of a driver, which are always on.

use std::cell::Cell;
use std::time::Duration;

use super::Driver;
use crate::reactor::{Priority, Queueable, TimerStats};

/// What a driver has counted since it was made, and what waits in it now. Times are those of the
/// monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverStats {
    /// The number of ready jobs of each priority that has some, from the highest one.
    pub ready: Vec<(Priority, usize)>,
    /// The number of timers that wait for their deadline.
    pub timers: usize,
    /// The number of watched descriptors.
    pub watches: usize,
    /// The number of jobs that have begun.
    pub jobs: u64,
    /// The number of turns that had a job or have polled, also those inside jobs.
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
    /// The time in outermost turns, including their polls and waits. A turn reads the clock after
    /// up to 16 quick jobs, so each can be too short by a few microseconds.
    pub in_turns: Duration,
    /// The longest outermost turn.
    pub longest_turn: Duration,
    /// The timers that have become ready, and how late they were.
    pub fired: TimerStats,
}

/// The counters of a driver.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) turns: Cell<u64>,
    pub(super) wakeups: Cell<u64>,
    pub(super) polls: Cell<u64>,
    pub(super) lingers: Cell<u64>,
    pub(super) linger_hits: Cell<u64>,
    in_turns: Cell<Duration>,
    longest_turn: Cell<Duration>,
}

/// Adds one.
#[inline]
pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Counters {
    /// Counts the time of an outermost turn.
    #[inline]
    pub(super) fn turn(&self, took: Duration) {
        self.in_turns.set(self.in_turns.get() + took);
        self.longest_turn.set(self.longest_turn.get().max(took));
    }
}

impl<J: Queueable + 'static> Driver<J> {
    /// Returns the counts and times since the driver was made, and the numbers of waiting jobs.
    #[must_use]
    pub fn stats(&self) -> DriverStats {
        let reactor = self.reactor.borrow();
        let counters = &self.counters;
        DriverStats {
            ready: reactor.ready_by_priority().collect(),
            timers: reactor.timed(),
            watches: reactor.watched(),
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
