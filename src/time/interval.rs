//! [`Interval`]: ticks at regular times.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::Sleep;
use super::clock::{instant, moment};
use crate::reactor::Time;

/// How an [`Interval`] behaves after it was not polled in time for a tick. The names are tokio's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedTickBehavior {
    /// Ticks at once for each missed tick, and then continues with the old schedule.
    #[default]
    Burst,
    /// Ticks once, and schedules the next tick one period later.
    Delay,
    /// Ticks once, skips the other missed ticks, and continues with the old schedule.
    Skip,
}

/// Returns an [`Interval`] that ticks at once, and then after each period. It is also a `Stream`.
///
/// ```no_run
/// # async fn example() {
/// use std::time::Duration;
/// use qtloop::time::{MissedTickBehavior, interval};
///
/// let mut beat = interval(Duration::from_millis(100));
/// beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
/// for tick in 0..10 {
///     beat.tick().await;
///     println!("{tick}");
/// }
/// # }
/// ```
///
/// # Panics
/// The period is zero, or this thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    Interval::of("interval()", period, |what| {
        Sleep::after(what, Duration::ZERO)
    })
}

/// Returns an [`Interval`] that ticks at `start`, and then after each period.
///
/// ```no_run
/// # async fn example() {
/// use std::time::{Duration, Instant};
///
/// let period = Duration::from_secs(60);
/// let mut saves = qtloop::time::interval_at(Instant::now() + period, period);
/// saves.tick().await; // a minute from now
/// # }
/// ```
///
/// # Panics
/// The period is zero, or this thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval::of("interval_at()", period, |what| {
        Sleep::until(what, moment(start))
    })
}

/// Ticks at regular times; see [`interval`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    #[track_caller]
    fn of(what: &str, period: Duration, sleep: impl FnOnce(&str) -> Sleep) -> Interval {
        assert!(!period.is_zero(), "{what} needs a period above zero");
        Interval {
            sleep: sleep(what),
            period,
            missed: MissedTickBehavior::default(),
        }
    }

    /// Waits for the next tick, and returns the time for which it was scheduled. If this future is
    /// dropped, the tick is not lost.
    ///
    /// # Panics
    /// As [`Sleep`].
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|context| self.poll_tick(context)).await
    }

    /// Polls for [`tick`](Interval::tick).
    ///
    /// # Panics
    /// As [`Sleep`].
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(context));
        let due = self.sleep.deadline;
        self.sleep.deadline = self.next(self.sleep.now());
        Poll::Ready(instant(due))
    }

    /// Schedules the next tick one period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Schedules the next tick for now.
    pub fn reset_immediately(&mut self) {
        self.reset_after(Duration::ZERO);
    }

    /// Schedules the next tick so long from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.sleep.reset_after(after);
    }

    /// Schedules the next tick for this moment.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.reset(deadline);
    }

    /// Returns the period.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns the behavior after missed ticks.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets the behavior after missed ticks.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    fn next(&self, now: Time) -> Time {
        let due = self.sleep.deadline;
        let next = due + self.period;
        match self.missed {
            MissedTickBehavior::Burst => next,
            _ if next > now => next,
            MissedTickBehavior::Delay => now + self.period,
            MissedTickBehavior::Skip => {
                let period = self.period.as_nanos();
                let late = now.after(due).unwrap_or_default().as_nanos();
                let nanoseconds = u64::try_from((late / period + 1) * period).unwrap_or(u64::MAX);
                due + Duration::from_nanos(nanoseconds)
            }
        }
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(context).map(Some)
    }
}
