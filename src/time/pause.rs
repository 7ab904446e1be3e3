//! [`now`], and for tests [`pause`], [`advance`] and [`resume`].

use std::time::Instant;

use super::clock::instant;
use crate::task::current;

/// Returns the current time of the timers of this thread's loop: [`Instant::now`], unless a test
/// has paused the clock.
///
/// ```no_run
/// use std::time::{Duration, Instant};
/// use qtloop::time;
///
/// /// A value that is valid for a minute.
/// struct Cached(u32, Instant);
///
/// impl Cached {
///     fn get(&self) -> Option<u32> {
///         (time::now() < self.1 + Duration::from_secs(60)).then_some(self.0)
///     }
/// }
/// ```
#[must_use]
pub fn now() -> Instant {
    match current() {
        Some(core) if core.shared().is_virtual() => instant(core.shared().now()),
        _ => Instant::now(),
    }
}

#[cfg(feature = "test-util")]
pub use paused::{advance, pause, pause_with_idle, resume};

#[cfg(feature = "test-util")]
mod paused {
    use std::future::{Future, poll_fn};
    use std::pin::Pin;
    use std::time::Duration;

    use super::super::Sleep;
    use crate::reactor::Time;
    use crate::task::{expect_current, yield_now};

    /// Pauses the clock of this thread's loop: [`now`](super::now) stands still, and jumps to the
    /// next timer when the loop has nothing to do. So a test of a sleep of an hour takes no time.
    ///
    /// The meaning is that of
    /// [tokio::time::pause](https://docs.rs/tokio/latest/tokio/time/fn.pause.html). The clock jumps
    /// when no task is ready, Qt has processed its events, and no call from another thread has
    /// arrived. It does not jump while an [`unblock`](crate::task::unblock) runs or a child process
    /// is awaited. While a socket or another descriptor is watched, it jumps only after 50 ms of
    /// real time in which no task was polled. So a reply can arrive first. Each timer fires at its
    /// own time: the task that it wakes reads its deadline from `now`.
    ///
    /// Instants of the paused clock and real ones are on one scale. [`Instant::now`] stays real, so
    /// code under test must use `now`. Qt's own timers and animations are not paused.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use qtloop::time;
    ///
    /// # async fn example() {
    /// time::pause();
    /// let begun = time::now();
    /// time::sleep(Duration::from_secs(3600)).await;
    /// assert_eq!(time::now() - begun, Duration::from_secs(3600));
    /// # }
    /// ```
    ///
    /// # Panics
    /// The clock is paused already, or this thread has no [`Loop`](crate::Loop).
    ///
    /// [`Instant::now`]: std::time::Instant::now
    #[track_caller]
    pub fn pause() {
        pause_with_idle(Duration::from_millis(50));
    }

    /// Pauses the clock as [`pause`] does, with another time than 50 ms. Use a longer one for a
    /// slow server thread, and a shorter one for many jumps beside a socket that only listens.
    ///
    /// # Panics
    /// As [`pause`].
    #[track_caller]
    pub fn pause_with_idle(idle: Duration) {
        assert!(
            expect_current("time::pause()").pause_time(idle),
            "time::pause(): the clock is paused already; call it once, or resume() before"
        );
    }

    /// Lets the clock run with real time again, from its current time on: its distance from
    /// [`Instant::now`](std::time::Instant::now) stays. From now on timers are precise to a
    /// millisecond.
    ///
    /// # Panics
    /// The clock is not paused, or this thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn resume() {
        assert!(
            expect_current("time::resume()").resume_time(),
            "time::resume(): the clock is not paused; call pause() before"
        );
    }

    /// Advances the paused clock, and returns when the timers that are due by then have fired. They
    /// fire in the order of their deadlines, each at its own time.
    ///
    /// Unlike a sleep it does not wait for `unblock`, child processes and descriptors. If the
    /// future is dropped, the clock is advanced nevertheless.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use qtloop::time;
    ///
    /// # async fn example() {
    /// time::pause();
    /// let ticks = qtloop::spawn_local(async {
    ///     let mut interval = time::interval(Duration::from_secs(1));
    ///     for _ in 0..10 {
    ///         interval.tick().await;
    ///     }
    /// });
    /// time::advance(Duration::from_secs(9)).await;
    /// assert!(ticks.is_finished());
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it is first polled: the clock is not paused, it would pass its end (292 years), or this
    /// thread has no [`Loop`](crate::Loop).
    pub async fn advance(duration: Duration) {
        let core = expect_current("time::advance()");
        let goal = core.goal_of_advance(duration);
        let goal =
            goal.expect("time::advance(): the clock is not paused; call time::pause() before");
        assert!(
            goal != Time::NEVER,
            "time::advance(): the clock ends before {duration:?} have passed"
        );
        // Its timer is started first, so that the clock stops at it, after earlier timers.
        let mut sleep = Sleep::until("time::advance()", goal);
        let mut has_advanced = false;
        poll_fn(|context| {
            let poll = Pin::new(&mut sleep).poll(context);
            if std::mem::replace(&mut has_advanced, true) {
                return poll;
            }
            let _ = core.advance_time(duration);
            poll
        })
        .await;
        if duration.is_zero() {
            yield_now().await;
        }
    }
}
