//! Timers: [`sleep`], [`interval`], [`timeout`]. They are never early; they are some 50 µs late on Linux, and a millisecond elsewhere.
//!
//! The names and their meaning are those of [tokio::time](https://docs.rs/tokio/latest/tokio/time/), with [`std::time::Instant`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::reactor::{Time, TimerKey};
use crate::task::{Inner, Job, Shared, expect_current, has_budget, take_budget, unbudgeted};

/// Waits for this long. Zero yields once, as [`yield_now`](crate::task::yield_now). [`Duration::MAX`] waits until the loop closes.
///
/// ```no_run
/// # async fn example() {
/// qtloop::time::sleep(std::time::Duration::from_millis(20)).await;
/// # }
/// ```
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::of("sleep()", duration)
}

/// Waits until this moment.
///
/// ```no_run
/// # async fn example() {
/// use std::time::{Duration, Instant};
///
/// let begun = Instant::now();
/// qtloop::time::sleep_until(begun + Duration::from_millis(20)).await;
/// assert!(begun.elapsed() >= Duration::from_millis(20));
/// # }
/// ```
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::until("sleep_until()", moment(deadline))
}

/// One moment by both clocks. They are the same clock, but `Instant` does not show its reading.
#[derive(Clone, Copy)]
struct Anchor(Instant, Time);

impl Anchor {
    /// The two readings are apart by the time between two calls, so of several the closest is taken. The `Time` is the later one:
    /// a timer must not be early.
    fn new() -> Anchor {
        let mut closest = (Duration::MAX, Anchor(Instant::now(), Time::now()));
        for _ in 0..8 {
            let anchor = Anchor(Instant::now(), Time::now());
            closest = std::cmp::min_by_key(closest, (anchor.0.elapsed(), anchor), |pair| pair.0);
        }
        closest.1
    }

    /// Elsewhere than on Linux the two may differ by the time that the computer was suspended.
    fn get() -> Anchor {
        static ANCHOR: OnceLock<Anchor> = OnceLock::new();
        if cfg!(target_os = "linux") {
            *ANCHOR.get_or_init(Anchor::new)
        } else {
            Anchor(Instant::now(), Time::now())
        }
    }
}

/// Converts to the loop's clock.
pub(crate) fn moment(instant: Instant) -> Time {
    let Anchor(here, now) = Anchor::get();
    let ahead = now + instant.saturating_duration_since(here);
    let behind = here.saturating_duration_since(instant).as_nanos();
    let behind = i64::try_from(behind).unwrap_or(i64::MAX);
    Time::from_nanos(ahead.as_nanos().saturating_sub(behind))
}

/// Converts from the loop's clock. A time that an `Instant` cannot hold is 30 years from now, as in tokio.
fn instant(moment: Time) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let Anchor(here, now) = Anchor::get();
    let ahead = moment.as_nanos().saturating_sub(now.as_nanos());
    let distance = Duration::from_nanos(ahead.unsigned_abs());
    if ahead < 0 {
        here.checked_sub(distance).unwrap_or(here)
    } else {
        here.checked_add(distance).unwrap_or_else(|| here + FAR)
    }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It may be polled on any thread. The loop of the thread that made it wakes the task.
///
/// # Panics
/// When it is polled after its loop was closed, and its deadline has not passed: nothing would wake the task.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    shared: Arc<Shared>,
    deadline: Time,
    waiting: Option<Waiting>,
    /// A sleep of zero yields once.
    yields: bool,
}

/// A timer of the loop, and the waker that it wakes. To poll again with the same waker has no effect.
struct Waiting {
    waker: Waker,
    key: Key,
}

/// The key that cancels a timer.
enum Key {
    Here(TimerKey),
    /// The sleep was polled on another thread than the loop's, which sets the key.
    Elsewhere(Arc<OnceLock<TimerKey>>),
}

impl Sleep {
    #[track_caller]
    pub(crate) fn of(what: &str, duration: Duration) -> Sleep {
        let mut sleep = Sleep::until(what, Time::now() + duration);
        sleep.yields = duration.is_zero();
        sleep
    }

    #[track_caller]
    pub(crate) fn until(what: &str, deadline: Time) -> Sleep {
        Sleep {
            shared: Arc::clone(expect_current(what).shared()),
            deadline,
            waiting: None,
            yields: false,
        }
    }

    /// Returns the deadline. For [`Duration::MAX`] it is decades from now, or more.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        instant(self.deadline)
    }

    /// Returns whether the deadline has passed.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.deadline <= Time::now()
    }

    /// Resets the sleep to a new deadline, before or after the old one has passed. A task that waits for the sleep is woken at the
    /// new deadline.
    pub fn reset(&mut self, deadline: Instant) {
        self.reset_to(moment(deadline));
    }

    fn reset_to(&mut self, deadline: Time) {
        let waker = self.cancel();
        self.deadline = deadline;
        self.yields = false;
        if let Some(waker) = waker {
            self.register(waker);
        }
    }

    /// Starts a timer of the loop for this waker. A closed loop wakes it at once.
    fn register(&mut self, waker: Waker) {
        let (deadline, wakes) = (self.deadline, Job::wake(&waker));
        let key = if let Some(inner) = self.shared.here() {
            Key::Here(inner.driver.push_at(deadline, wakes))
        } else {
            let key = Arc::new(OnceLock::new());
            let known = Arc::clone(&key);
            self.shared.call_behind(move |inner| match inner {
                Some(inner) => drop(known.set(inner.driver.push_at(deadline, wakes))),
                None => wakes.end(),
            });
            Key::Elsewhere(key)
        };
        self.waiting = Some(Waiting { waker, key });
    }

    /// Cancels the timer, and returns the waker that waited.
    fn cancel(&mut self) -> Option<Waker> {
        let cancel = |inner: Option<&Inner>, key: Option<&TimerKey>| {
            if let (Some(inner), Some(&key)) = (inner, key) {
                drop(inner.driver.cancel(key));
            }
        };
        let Waiting { waker, key } = self.waiting.take()?;
        match key {
            Key::Here(key) => self.shared.call(move |inner| cancel(inner, Some(&key))),
            Key::Elsewhere(key) => {
                self.shared
                    .call_behind(move |inner| cancel(inner, key.get()));
            }
        }
        Some(waker)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.yields) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.is_elapsed() {
            // A task whose deadlines have all passed must yield too.
            ready!(take_budget(context));
            self.waiting = None; // its timer has fired, or wakes the task once more
            return Poll::Ready(());
        }
        assert!(
            !self.shared.is_gone(),
            "the `Loop` that was to wake this sleep was closed: keep it until the end of `main`"
        );
        let waker = context.waker();
        if matches!(&self.waiting, Some(waiting) if waiting.waker.will_wake(waker)) {
            return Poll::Pending;
        }
        self.cancel();
        self.register(waker.clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sleep")
            .field("is_elapsed", &self.is_elapsed())
            .finish()
    }
}

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
    Interval::of("interval()", Time::now(), period)
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
    Interval::of("interval_at()", moment(start), period)
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
    fn of(what: &str, start: Time, period: Duration) -> Interval {
        assert!(!period.is_zero(), "{what} needs a period above zero");
        Interval {
            sleep: Sleep::until(what, start),
            period,
            missed: MissedTickBehavior::default(),
        }
    }

    /// Waits for the next tick, and returns the time for which it was scheduled. If this future is dropped, the tick is not lost.
    ///
    /// # Panics
    /// As [`Sleep`].
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|context| self.poll_tick(context)).await
    }

    /// Polls for [`tick`](Interval::tick).
    ///
    /// # Panics
    /// As [`Sleep`].
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(context));
        let due = self.sleep.deadline;
        self.sleep.deadline = self.next(Time::now());
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
        self.sleep.reset_to(Time::now() + after);
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

/// Awaits a future for this long at most. The future is dropped with the [`Timeout`] either way.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use std::time::Duration;
/// use qtloop::{net::TcpStream, time::timeout};
///
/// let connecting = TcpStream::connect("localhost:8000");
/// let stream = timeout(Duration::from_secs(3), connecting).await??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Elapsed`]: the time had passed before the future was ready.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop). The future's panics are those of [`Sleep`].
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: Sleep::until("timeout()", Time::now() + duration),
    }
}

/// Awaits a future until this moment at the latest; see [`timeout`].
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use std::time::{Duration, Instant};
/// use qtloop::{net::TcpStream, time::timeout_at};
///
/// // Three seconds for both.
/// let deadline = Instant::now() + Duration::from_secs(3);
/// let one = timeout_at(deadline, TcpStream::connect("localhost:8000")).await??;
/// let other = timeout_at(deadline, TcpStream::connect("localhost:8001")).await??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Elapsed`]: the moment had passed before the future was ready.
///
/// # Panics
/// As [`timeout`].
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: Sleep::until("timeout_at()", moment(deadline)),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = has_budget();
        // A result that is ready when the time is up counts.
        if let Poll::Ready(result) = this.future.poll(context) {
            return Poll::Ready(Ok(result));
        }
        let poll = || Pin::new(this.sleep).poll(context).map(|()| Err(Elapsed));
        // A future that spends the budget in each poll would otherwise never time out.
        if had_budget && !has_budget() {
            unbudgeted(poll)
        } else {
            poll()
        }
    }
}

/// The error of [`timeout`]: the time had passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed;

plain_error!(Elapsed, TimedOut, "the time is up");
