//! Waiting for a moment: [`sleep`], [`interval`], [`timeout`]. Never early; late by some 50 µs on Linux, by a millisecond elsewhere.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::reactor::{Time, TimerKey};
use crate::task::{Inner, Job, Shared, expect_current, take_budget};

/// Waits for this long. Zero is one trip around the loop's ready tasks, as [`yield_now`](crate::task::yield_now) promises.
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

/// Waits for this moment.
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

/// The two clocks are one, but `Instant` does not show its figure.
pub(crate) fn moment(instant: Instant) -> Time {
    let (now, here) = (Instant::now(), Time::now());
    here + instant.saturating_duration_since(now)
}

/// The future of [`sleep`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    shared: Arc<Shared>,
    deadline: Time,
    waiting: Option<Waiting>,
    /// It is for no time at all: then it gives way, once.
    yields: bool,
}

/// Who is to be woken. Polled anew with the same waker, nothing is to do.
struct Waiting {
    waker: Waker,
    key: Key,
}

/// What takes a timer back.
enum Key {
    Here(TimerKey),
    /// It was asked for on another thread than the loop's, which makes it known there.
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

    /// Another moment from now on.
    pub fn reset(&mut self, deadline: Instant) {
        self.cancel();
        self.deadline = moment(deadline);
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.deadline <= Time::now()
    }

    fn cancel(&mut self) {
        let cancel = |inner: Option<&Inner>, key: Option<&TimerKey>| {
            if let (Some(inner), Some(&key)) = (inner, key) {
                drop(inner.driver.cancel(key));
            }
        };
        match self.waiting.take().map(|waiting| waiting.key) {
            None => {}
            Some(Key::Here(key)) => self.shared.call(move |inner| cancel(inner, Some(&key))),
            Some(Key::Elsewhere(key)) => {
                self.shared
                    .call_behind(move |inner| cancel(inner, key.get()));
            }
        }
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
            // A task that never has to wait would never let go of the thread.
            ready!(take_budget(context));
            self.waiting = None; // it has come, or is about to be told so in vain
            return Poll::Ready(());
        }
        assert!(
            !self.shared.is_gone(),
            "the `Loop` that was to wake this sleep is gone: keep it until the end of `main`"
        );
        let waker = context.waker();
        if matches!(&self.waiting, Some(waiting) if waiting.waker.will_wake(waker)) {
            return Poll::Pending;
        }
        self.cancel();
        let (deadline, wakes) = (self.deadline, Job::wake(waker));
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
        let waker = waker.clone();
        self.waiting = Some(Waiting { waker, key });
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

/// What an [`Interval`] does when ticks were missed, because nobody asked for them in time. The words are tokio's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// All missed ticks come at once, and then the old beat goes on.
    #[default]
    Burst,
    /// One comes at once, and from it a new beat.
    Delay,
    /// One comes at once, and the others are left out: the old beat goes on.
    Skip,
}

/// Ticks: the first at once, each next after the period. It is also a `Stream`.
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
    assert!(!period.is_zero(), "interval() needs a period above zero");
    Interval {
        sleep: Sleep::until("interval()", Time::now()),
        period,
        missed: MissedTickBehavior::default(),
    }
}

/// See [`interval`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick. Dropped before it comes, the tick is not lost.
    pub async fn tick(&mut self) {
        std::future::poll_fn(|context| self.poll_tick(context)).await;
    }

    /// As [`tick`](Interval::tick), for those who poll.
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.sleep).poll(context));
        self.sleep.deadline = self.next(Time::now());
        Poll::Ready(())
    }

    /// Sets what becomes of missed ticks.
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
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_tick(context).map(Some)
    }
}

/// The future's result, if it comes within this time; the future is dropped either way.
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
/// [`Elapsed`]: it did not.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: Sleep::until("timeout()", Time::now() + duration),
    }
}

pin_project! {
    /// The future of [`timeout`].
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
        // A result that has come with the time counts.
        if let Poll::Ready(result) = this.future.poll(context) {
            return Poll::Ready(Ok(result));
        }
        Pin::new(this.sleep).poll(context).map(|()| Err(Elapsed))
    }
}

/// The time was up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

plain_error!(Elapsed, TimedOut, "the time is up");
