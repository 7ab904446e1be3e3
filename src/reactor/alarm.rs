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

/// Makes the poll descriptor readable when its time comes. Nothing reads it: setting it anew clears it, and the
/// edge-triggered poller reports each expiry once.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: std::os::fd::OwnedFd,
    set: Option<Time>,
}

impl Alarm {
    pub(super) fn new(registry: &Registry) -> io::Result<Alarm> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Alarm { timer, set: None })
    }

    /// Sets the alarm for a deadline, or silences it. Costs a system call only if the deadline is another one.
    pub(super) fn set(&mut self, deadline: Option<Time>, now: Time) -> io::Result<()> {
        let good = |deadline: Time| {
            self.set
                .is_some_and(|set| (deadline..=deadline + SLACK).contains(&set))
        };
        if deadline.map_or(self.set.is_none(), good) {
            return Ok(());
        }
        let when = deadline.map(|deadline| deadline.max(now + SLACK).min(deadline + SLACK));
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
