//! The clock of a recording: counts ticks of the processor, and converts them to [`Time`].

#[cfg(test)]
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

use crate::reactor::Time;

/// The time of an event, in ticks of a [`Clock`]. Zero means that the time is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub u64);

impl Ticks {
    /// An unknown time: that of an event before the recording, or one that has not happened yet.
    pub const UNKNOWN: Ticks = Ticks(0);

    /// Returns whether the time is known.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 != 0
    }

    /// Returns the ticks since `earlier`; zero if that is later, as it can be on another core.
    #[must_use]
    pub const fn since(self, earlier: Ticks) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A source of [`Ticks`]: the processor's counter if it counts at a constant rate on all cores,
/// else nanoseconds of the monotonic clock.
///
/// The first clock of a process takes 1 to 200 ms to measure the rate of the counter.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Counter(quanta::Clock),
    #[cfg(test)]
    Fake(Arc<AtomicU64>),
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    ticks: Ticks,
    time: Time,
}

impl Anchor {
    pub(super) fn ticks(self) -> Ticks {
        self.ticks
    }
}

/// The number of attempts to read both clocks at one moment. The closest pair is taken.
const ATTEMPTS: usize = 8;

/// A recording at least this long has its own rate, from its first and last moment. For a shorter
/// one, an anchor is too imprecise, and the rate that `quanta` has measured is better.
const LONG: i64 = 20_000_000;

impl Default for Clock {
    fn default() -> Clock {
        Clock(Source::Counter(quanta::Clock::new()))
    }
}

impl Clock {
    /// Returns a clock that shows the nanoseconds in `ticks`.
    #[cfg(test)]
    pub(super) fn fake(ticks: &Arc<AtomicU64>) -> Clock {
        Clock(Source::Fake(ticks.clone()))
    }

    /// Reads the clock.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Ticks {
        match &self.0 {
            Source::Counter(clock) => Ticks(clock.raw()),
            #[cfg(test)]
            Source::Fake(ticks) => Ticks(ticks.load(Ordering::Relaxed)),
        }
    }

    /// Reads both clocks.
    pub(super) fn anchor(&self) -> Anchor {
        let attempt = |_| {
            let before = self.now();
            let time = self.time();
            let after = self.now();
            let gap = after.since(before);
            let ticks = Ticks(before.0 + gap / 2);
            (gap, Anchor { ticks, time })
        };
        let attempts = (0..ATTEMPTS).map(attempt);
        let best = attempts.min_by_key(|(gap, _)| *gap);
        best.expect("there are attempts").1
    }

    fn time(&self) -> Time {
        match &self.0 {
            Source::Counter(_) => Time::now(),
            #[cfg(test)]
            Source::Fake(ticks) => Time::from_nanos(ticks.load(Ordering::Relaxed).cast_signed()),
        }
    }

    /// Returns the nanoseconds from one time to a later one, by the rate known at the start.
    pub(crate) fn nanos(&self, from: Ticks, to: Ticks) -> u64 {
        match &self.0 {
            Source::Counter(clock) => clock.delta_as_nanos(from.0, to.0),
            #[cfg(test)]
            Source::Fake(_) => to.since(from),
        }
    }

    /// Returns the conversion of the ticks between two moments.
    pub(super) fn scale(&self, begin: Anchor, end: Anchor) -> Scale {
        let nanos = end.time.as_nanos() - begin.time.as_nanos();
        let ticks = end.ticks.since(begin.ticks);
        let (nanos, ticks) = if nanos >= LONG && ticks > 0 {
            (nanos.unsigned_abs(), ticks)
        } else {
            const TICKS: u64 = 1 << 30;
            let to = Ticks(begin.ticks.0.saturating_add(TICKS));
            (self.nanos(begin.ticks, to), to.since(begin.ticks).max(1))
        };
        Scale {
            begin,
            nanos,
            ticks,
        }
    }
}

/// Converts ticks to nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    begin: Anchor,
    nanos: u64,
    ticks: u64,
}

impl Scale {
    /// Returns the nanoseconds that a number of ticks takes, rounded down.
    pub(super) fn nanos(&self, ticks: u64) -> u64 {
        let nanos = u128::from(ticks) * u128::from(self.nanos) / u128::from(self.ticks);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    /// Returns the nanoseconds from the begin of the recording to a time.
    pub(super) fn since_begin(&self, time: Ticks) -> u64 {
        self.nanos(time.since(self.begin.ticks))
    }

    /// Returns the time at which the recording began.
    pub(super) fn begin(&self) -> Time {
        self.begin.time
    }
}
