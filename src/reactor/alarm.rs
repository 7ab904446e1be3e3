//! A timerfd in the poll set: the next deadline to the microsecond, where a `QTimer` knows only milliseconds.

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
use super::source::ALARM;

/// The alarm rings this much later at the most, and does not ring more often: deadlines that are close together are served
/// together. A tenth of what an eye or an ear could tell, and more than a turn takes.
const SLACK: Duration = Duration::from_micros(50);

/// It may be later where so many timers have come at once: to wake up for a few of them costs more than to run them.
const CROWD: usize = 8;
pub(super) const CROWD_SLACK: Duration = Duration::from_micros(250);

/// Makes the poll descriptor readable when its time comes. Nothing reads it: setting it anew clears it, and the
/// edge-triggered poller reports each expiry once.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: std::os::fd::OwnedFd,
    set: Option<Time>,
    /// How many timers have come since it was set.
    came: usize,
    /// See [`CROWD`].
    pub(super) crowd_slack: Duration,
}

impl Alarm {
    pub(super) fn new(registry: &Registry) -> io::Result<Alarm> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Alarm {
            timer,
            set: None,
            came: 0,
            crowd_slack: CROWD_SLACK,
        })
    }

    /// So many timers have come.
    pub(super) fn count(&mut self, timers: usize) {
        self.came += timers;
    }

    /// Sets the alarm for a deadline, or silences it. Costs a system call only if the deadline is another one.
    pub(super) fn set(&mut self, deadline: Option<Time>, now: Time) -> io::Result<()> {
        let slack = if std::mem::take(&mut self.came) < CROWD {
            SLACK
        } else {
            self.crowd_slack
        };
        let good = |deadline: Time| {
            self.set
                .is_some_and(|set| (deadline..=deadline + slack).contains(&set))
        };
        if deadline.map_or(self.set.is_none(), good) {
            return Ok(());
        }
        let when = deadline.map(|deadline| deadline.max(now + slack).min(deadline + slack));
        // A zero value would disarm the timer, so a time at or before the clock's zero is one nanosecond after it.
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

    /// When the alarm rings that is set for a moment 1 µs from now, after so many timers have come.
    fn rings_after(came: usize) -> Duration {
        let poll = mio::Poll::new().expect("a poller");
        let mut alarm = Alarm::new(poll.registry()).expect("an alarm");
        let now = Time::now();
        alarm.count(came);
        alarm
            .set(Some(now + Duration::from_micros(1)), now)
            .expect("set");
        let set = alarm.set.expect("set");
        set.after(now).expect("some time")
    }

    #[test]
    fn a_deadline_that_is_close_waits_for_others_to_come_with_it() {
        assert_eq!(rings_after(0), SLACK);
        assert_eq!(rings_after(CROWD - 1), SLACK);
    }

    #[test]
    fn after_a_crowd_of_timers_it_waits_longer() {
        assert_eq!(rings_after(CROWD), CROWD_SLACK);
    }
}
