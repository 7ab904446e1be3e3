//! A timerfd on the wall clock, for `loop.call_at_datetime()`: see `python/qtloop/_wall_clock.py`.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use super::error::os_error;

const NANOSECONDS: i64 = 1_000_000_000;

/// A descriptor that becomes readable at a wall-clock time, and when the clock was set. It is never
/// read: setting it again clears it.
#[pyclass(module = "qtloop._native")]
pub(super) struct WallTimer(Option<OwnedFd>);

impl WallTimer {
    fn descriptor(&self) -> PyResult<&OwnedFd> {
        let closed = || PyValueError::new_err("the WallTimer is closed");
        self.0.as_ref().ok_or_else(closed)
    }
}

#[pymethods]
impl WallTimer {
    #[new]
    fn new() -> PyResult<WallTimer> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)
            .map_err(|errno| os_error(errno.into()))?;
        Ok(WallTimer(Some(timer)))
    }

    /// Returns the wall-clock time, in nanoseconds since 1970-01-01 UTC.
    #[staticmethod]
    fn now() -> i64 {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec * NANOSECONDS + now.tv_nsec
    }

    /// Returns the number of the descriptor.
    fn fileno(&self) -> PyResult<RawFd> {
        Ok(self.descriptor()?.as_raw_fd())
    }

    /// Makes the descriptor readable at a time of the wall clock, in nanoseconds since 1970-01-01
    /// UTC, or when the clock is set before that. With None it is not readable.
    fn set(&self, deadline: Option<i64>) -> PyResult<()> {
        // A zero value would disarm the timer.
        let nanoseconds = deadline.map_or(0, |deadline| deadline.max(1));
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: nanoseconds / NANOSECONDS,
                tv_nsec: nanoseconds % NANOSECONDS,
            },
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        match timerfd_settime(self.descriptor()?, flags, &spec) {
            // The clock was set since the last call. The timer is set nevertheless.
            Ok(_) | Err(Errno::CANCELED) => Ok(()),
            Err(errno) => Err(os_error(errno.into())),
        }
    }

    /// Closes the descriptor. Idempotent.
    fn close(&mut self) {
        self.0 = None;
    }
}
