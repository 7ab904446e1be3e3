//! `qtloop.VirtualClock`, and the loop's clock: see `python/qtloop/_virtual_time.py`.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::gil::GilProtected;
use super::job::Job;
use super::state::{EventLoop, State};
use crate::driver::{Driver, VirtualTime};
use crate::reactor::Time;

/// The descriptors that a loop itself watches: asyncio's self-pipe.
const OWN_WATCHES: usize = 1;

/// A clock of timers that jumps to the next timer when nothing else can happen before it. For one
/// open loop at a time.
#[pyclass(frozen, module = "qtloop")]
pub(super) struct VirtualClock {
    time: Arc<VirtualTime>,
    driver: GilProtected<RefCell<Weak<Driver<Job>>>>,
}

impl VirtualClock {
    fn driver(&self, py: Python<'_>) -> Option<Rc<Driver<Job>>> {
        self.driver.get(py).borrow().upgrade()
    }
}

/// Reads a number of seconds.
fn seconds(number: &Bound<'_, PyAny>) -> PyResult<f64> {
    number.extract().or_else(|error: PyErr| {
        if !error.is_instance_of::<PyTypeError>(number.py()) {
            return Err(error); // an integer that is greater than any float
        }
        Err(PyTypeError::new_err(format!(
            "a number of seconds is required, such as datetime.timestamp() or \
             timedelta.total_seconds(), not {}",
            number.repr()?
        )))
    })
}

/// Converts seconds that are not negative. Rounds up to the nanosecond.
fn duration(seconds: f64, name: &str) -> PyResult<Duration> {
    let nanoseconds = Time::from_secs_f64(seconds).map(|time| u64::try_from(time.as_nanos()));
    match nanoseconds {
        Some(Ok(nanoseconds)) => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err(PyValueError::new_err(format!(
            "{name} must be a number of seconds, 0 or more, and not {seconds}"
        ))),
    }
}

#[pymethods]
impl VirtualClock {
    #[new]
    #[pyo3(signature = (start=0.0, idle=0.05))]
    fn new(
        #[pyo3(from_py_with = seconds)] start: f64,
        #[pyo3(from_py_with = seconds)] idle: f64,
    ) -> PyResult<VirtualClock> {
        let start = Time::from_secs_f64(start)
            .filter(|time| time.as_nanos() != i64::MIN && *time != Time::NEVER)
            .ok_or_else(|| {
                PyValueError::new_err(format!(
                    "start must be a number of seconds within 292 years of 0, and not {start}"
                ))
            })?;
        Ok(VirtualClock {
            time: VirtualTime::new(start, duration(idle, "idle")?, OWN_WATCHES),
            driver: GilProtected::new(RefCell::default()),
        })
    }

    /// The current time in seconds; `loop.time()` of its loop.
    #[getter]
    fn now(&self) -> f64 {
        self.time.now().as_secs_f64()
    }

    /// The real seconds without a callback before a jump while file descriptors are watched.
    #[getter]
    fn idle(&self) -> f64 {
        self.time.idle().as_secs_f64()
    }

    /// Lets time pass. Timers that become due run later, each at its own time: until the loop has
    /// run them, `now` stops at each of their deadlines.
    fn advance(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = seconds)] seconds: f64,
    ) -> PyResult<()> {
        let by = duration(seconds, "advance(): seconds")?;
        if self.time.goal() + by == Time::NEVER {
            return Err(PyValueError::new_err(format!(
                "advance(): the clock ends at {} seconds, before {seconds} more have passed",
                Time::NEVER.as_secs_f64()
            )));
        }
        let _ = match self.driver(py) {
            Some(driver) => driver.advance(by),
            None => self.time.advance(by, None),
        };
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<qtloop.VirtualClock now={:?}>", self.now())
    }
}

/// Makes the timers of a loop use a clock, before there are any. RuntimeError if another open loop
/// uses it.
#[pyfunction]
pub(super) fn use_clock(
    event_loop: &Bound<'_, EventLoop>,
    clock: &Bound<'_, VirtualClock>,
) -> PyResult<()> {
    let (py, clock) = (event_loop.py(), clock.get());
    if clock.driver(py).is_some() {
        return Err(PyRuntimeError::new_err(
            "another loop uses this VirtualClock: close that loop, or make a clock for each",
        ));
    }
    let state = event_loop.get().state(py);
    let driver = state.driver()?;
    driver.set_virtual_time(Arc::clone(&clock.time));
    let _ = state.virtual_time.set(Arc::clone(&clock.time));
    clock.driver.get(py).replace(Rc::downgrade(&driver));
    Ok(())
}

/// Returns the loop's time in nanoseconds.
#[pyfunction]
pub(super) fn nanoseconds(event_loop: &Bound<'_, EventLoop>) -> i64 {
    event_loop.get().state(event_loop.py()).now().as_nanos()
}

/// Keeps the virtual clock of a loop from jumping, or with False ends that. On any thread.
#[pyfunction]
pub(super) fn hold_time(event_loop: &Bound<'_, EventLoop>, on: bool) {
    match event_loop.get().driver(event_loop.py()) {
        Ok(driver) if on => driver.hold_time(),
        Ok(driver) => driver.release_time(),
        Err(_) => {} // it is closed
    }
}

impl State {
    /// Returns the time of the loop's clock, also when the loop is closed.
    #[inline]
    pub(super) fn now(&self) -> Time {
        self.virtual_time
            .get()
            .map_or_else(Time::now, |time| time.now())
    }

    /// Returns the time `seconds` from now, as a `Time` and in seconds; `None` for NaN. With a
    /// virtual clock it adds integers: a sum of floats would lose a short delay after a long time.
    #[inline]
    pub(super) fn after(&self, seconds: f64) -> (Option<Time>, f64) {
        let now = self.now();
        let when = now.as_secs_f64() + seconds;
        if self.virtual_time.get().is_none() {
            return (Time::from_secs_f64(when), when);
        }
        match now.plus_secs_f64(seconds) {
            Some(deadline) if deadline != Time::NEVER => (Some(deadline), deadline.as_secs_f64()),
            other => (other, when),
        }
    }
}
