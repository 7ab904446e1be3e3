//! [`Sleep`]: a timer of the loop, as a future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use super::clock::{from_now, instant, moment};
use crate::reactor::{Priority, Time, TimerKey};
use crate::task::{Job, LoopCore, LoopShared, expect_current, take_budget};

/// Waits for this long. Zero yields once, as [`yield_now`](crate::task::yield_now).
/// [`Duration::MAX`] waits until the loop closes.
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

/// The future of [`sleep`] and [`sleep_until`].
///
/// It may be polled on any thread. The loop of the thread that made it wakes the task.
///
/// # Panics
/// When it is polled after its loop was closed, and its deadline has not passed: nothing would wake
/// the task.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    shared: Arc<LoopShared>,
    pub(super) deadline: Time,
    waiting: Option<TimerEntry>,
    /// A sleep of zero yields once.
    yields: bool,
}

/// A timer of the loop, and the waker that it wakes. To poll again with the same waker has no
/// effect.
struct TimerEntry {
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
        let mut sleep = Sleep::after(what, duration);
        sleep.yields = duration.is_zero();
        sleep
    }

    /// Makes a sleep that does not yield if the duration is zero.
    #[track_caller]
    pub(super) fn after(what: &str, duration: Duration) -> Sleep {
        let mut sleep = Sleep::until(what, Time::NEVER);
        sleep.deadline = from_now(&sleep.shared, duration);
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
        self.deadline <= self.now()
    }

    /// Resets the sleep to a new deadline, before or after the old one has passed. A task that
    /// waits for the sleep is woken at the new deadline.
    pub fn reset(&mut self, deadline: Instant) {
        self.reset_to(moment(deadline));
    }

    /// Returns the time of the loop's timers.
    pub(super) fn now(&self) -> Time {
        self.shared.now()
    }

    pub(super) fn reset_after(&mut self, duration: Duration) {
        self.reset_to(from_now(&self.shared, duration));
    }

    pub(super) fn reset_to(&mut self, deadline: Time) {
        let waker = self.cancel();
        self.deadline = deadline;
        self.yields = false;
        if let Some(waker) = waker {
            self.register(waker);
        }
    }

    /// Starts a timer of the loop for this waker. A closed loop wakes it at once.
    fn register(&mut self, waker: Waker) {
        let deadline = self.deadline;
        let key = if let Some(core) = self.shared.here() {
            let wakes = Job::wake(&waker, core.driver.priority());
            Key::Here(core.driver.push_at(deadline, wakes))
        } else {
            let wakes = Job::wake(&waker, Priority::NORMAL);
            let key = Arc::new(OnceLock::new());
            let known = Arc::clone(&key);
            self.shared.call_behind(move |core| match core {
                Some(core) => drop(known.set(core.driver.push_at(deadline, wakes))),
                None => wakes.end(),
            });
            Key::Elsewhere(key)
        };
        self.waiting = Some(TimerEntry { waker, key });
    }

    /// Cancels the timer, and returns the waker that waited.
    fn cancel(&mut self) -> Option<Waker> {
        let cancel = |core: Option<&LoopCore>, key: Option<&TimerKey>| {
            if let (Some(core), Some(&key)) = (core, key) {
                drop(core.driver.cancel(key));
            }
        };
        let TimerEntry { waker, key } = self.waiting.take()?;
        match key {
            Key::Here(key) => self.shared.call(move |core| cancel(core, Some(&key))),
            Key::Elsewhere(key) => {
                self.shared.call_behind(move |core| cancel(core, key.get()));
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
