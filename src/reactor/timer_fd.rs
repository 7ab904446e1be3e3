//! A timerfd in the poll set, with a precision of microseconds where a `QTimer` has milliseconds.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::Time;
use super::source::TIMER;

/// The maximum delay of an expiry, and the minimum time between setting the timerfd and its expiry:
/// deadlines that are close together are served together. A person does not notice this delay, and
/// a turn that runs a few short timers takes less.
const SLACK: Duration = Duration::from_micros(50);

/// When at least `COALESCE_AT` timers have fired together, the timerfd may be later: waking up for
/// a few timers costs more than running them.
const COALESCE_AT: usize = 8;
pub(super) const COALESCE_SLACK: Duration = Duration::from_micros(250);

/// A timerfd that makes the poll descriptor readable at its deadline. It is never read: setting it
/// again clears it, and the edge-triggered poller reports each expiry once.
#[derive(Debug)]
pub(super) struct TimerFd {
    timer: std::os::fd::OwnedFd,
    set: Option<Time>,
    /// The number of timers that became ready since the last call of `set`.
    fired: usize,
    /// See [`COALESCE_AT`].
    pub(super) coalesce_slack: Duration,
}

impl TimerFd {
    pub(super) fn new(registry: &Registry) -> io::Result<TimerFd> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(TimerFd {
            timer,
            set: None,
            fired: 0,
            coalesce_slack: COALESCE_SLACK,
        })
    }

    /// Counts timers that became ready.
    pub(super) fn count(&mut self, timers: usize) {
        self.fired += timers;
    }

    /// Sets the timerfd for the earliest deadline, or disarms it; not later than `exact`. Makes no
    /// system call if it is set already to a time from the deadline to a slack after it.
    pub(super) fn set(
        &mut self,
        deadline: Option<Time>,
        exact: Option<Time>,
        now: Time,
    ) -> io::Result<()> {
        let slack = if std::mem::take(&mut self.fired) < COALESCE_AT {
            SLACK
        } else {
            self.coalesce_slack
        };
        let exact = exact.unwrap_or(Time::NEVER);
        let good = |deadline: Time| {
            let latest = exact.min(deadline + slack);
            self.set
                .is_some_and(|set| (deadline..=latest).contains(&set))
        };
        if deadline.map_or(self.set.is_none(), good) {
            return Ok(());
        }
        let delayed = |deadline: Time| deadline.max(now + slack).min(deadline + slack);
        let when = deadline.map(|deadline| delayed(deadline).min(exact));
        // A zero value would disarm the timer, so a time at or before the clock's zero becomes one
        // nanosecond.
        let nanoseconds = when.map_or(0, |when| when.as_nanos().max(1));
        let value = Timespec {
            tv_sec: nanoseconds / 1_000_000_000,
            tv_nsec: nanoseconds % 1_000_000_000,
        };
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        self.set = when;
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Returns the delay of a timerfd that is set for 1 µs from now, after `fired` timers have
    /// fired, beside an exact deadline.
    fn rings_after(fired: usize, exact: Option<Duration>) -> Duration {
        let poll = mio::Poll::new().expect("a poller");
        let mut timer_fd = TimerFd::new(poll.registry()).expect("a timerfd");
        let now = Time::now();
        timer_fd.count(fired);
        timer_fd
            .set(
                Some(now + Duration::from_micros(1)),
                exact.map(|exact| now + exact),
                now,
            )
            .expect("set");
        let set = timer_fd.set.expect("set");
        set.after(now).expect("some time")
    }

    #[test]
    fn close_deadline_is_delayed_by_the_slack() {
        assert_eq!(rings_after(0, None), SLACK);
        assert_eq!(rings_after(COALESCE_AT - 1, None), SLACK);
    }

    #[test]
    fn timerfd_after_many_timers_is_delayed_by_the_larger_slack() {
        assert_eq!(rings_after(COALESCE_AT, None), COALESCE_SLACK);
    }

    #[test]
    fn timerfd_is_not_later_than_an_exact_deadline() {
        let exact = Duration::from_micros(7);
        assert_eq!(rings_after(0, Some(exact)), exact);
        assert_eq!(rings_after(COALESCE_AT, Some(exact)), exact);
        assert_eq!(rings_after(0, Some(SLACK * 2)), SLACK);
    }

    #[test]
    fn timerfd_is_set_again_for_an_earlier_exact_deadline() {
        let poll = mio::Poll::new().expect("a poller");
        let mut timer_fd = TimerFd::new(poll.registry()).expect("a timerfd");
        let now = Time::now();
        let (early, exact) = (
            now + Duration::from_micros(100),
            now + Duration::from_micros(110),
        );
        timer_fd.set(Some(early), None, now).expect("set");
        assert_eq!(timer_fd.set, Some(early));
        timer_fd.set(Some(now), None, now).expect("set");
        assert_eq!(timer_fd.set, Some(now + SLACK));
        timer_fd
            .set(Some(now), Some(now + SLACK / 2), now)
            .expect("set");
        assert_eq!(timer_fd.set, Some(now + SLACK / 2));
        timer_fd.set(Some(exact), Some(exact), now).expect("set");
        assert_eq!(timer_fd.set, Some(exact));
    }
}
