//! The handles in the queues of a loop and its watched descriptors, for monitors. See `python/qtloop/_monitors.py`.

use std::os::fd::RawFd;

use pyo3::intern;
use pyo3::prelude::*;

use super::job::{Job, Kind};
use super::state::EventLoop;
use crate::reactor::{Direction, Queueable};

/// Returns the number of handles that are ready, or with `timed` of those that wait for a deadline.
#[pyfunction]
pub(super) fn count_handles(
    py: Python<'_>,
    event_loop: &Bound<'_, EventLoop>,
    timed: bool,
) -> usize {
    let state = event_loop.get().state(py);
    let Ok(driver) = state.driver() else { return 0 };
    if timed {
        driver.timed()
    } else {
        state.deferred.borrow().len() + driver.queued()
    }
}

/// Returns the handles that are ready, in order, or with `timed` those that wait, by deadline. For
/// a transport it makes a handle.
#[pyfunction]
pub(super) fn handles<'py>(
    event_loop: &Bound<'py, EventLoop>,
    timed: bool,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = event_loop.py();
    let state = event_loop.get().state(py);
    let Ok(driver) = state.driver() else {
        return Ok(Vec::new());
    };
    // Only references are made while cells are borrowed, so no Python code runs.
    let mut jobs: Vec<Job> = Vec::new();
    if timed {
        driver.visit_timed(|job| jobs.push(job.repeat()));
    } else {
        // They run before the others, as soon as their context is free.
        jobs.extend(state.deferred.borrow().iter().map(|(_, job)| job.repeat()));
        driver.visit_queued(|job| jobs.push(job.repeat()));
    }
    drop(driver);
    jobs.iter().map(|job| handle_of(event_loop, job)).collect()
}

/// Returns the handle of a job. For a transport it makes one.
fn handle_of<'py>(event_loop: &Bound<'py, EventLoop>, job: &Job) -> PyResult<Bound<'py, PyAny>> {
    let py = event_loop.py();
    match job.kind {
        Kind::Transport(direction) => event_loop.call_method1(
            intern!(py, "_transport_handle"),
            (&*job.object, direction == Direction::Write),
        ),
        _ => Ok(job.object.bind(py).clone()),
    }
}

/// Returns the watched directions of descriptors: the number, whether it is watched for writing,
/// and the handle. For a transport it makes a handle. The urgent watches are the loop's own, and
/// left out.
#[pyfunction]
pub(super) fn watches<'py>(
    event_loop: &Bound<'py, EventLoop>,
) -> PyResult<Vec<(RawFd, bool, Bound<'py, PyAny>)>> {
    let state = event_loop.get().state(event_loop.py());
    let Ok(driver) = state.driver() else {
        return Ok(Vec::new());
    };
    // As in `handles`, no Python code runs while cells are borrowed.
    let mut jobs: Vec<(RawFd, bool, Job)> = Vec::new();
    driver.visit_watches(|fd, direction, job| {
        if !job.is_urgent {
            jobs.push((fd, direction == Direction::Write, job.repeat()));
        }
    });
    drop(driver);
    jobs.iter()
        .map(|(fd, writer, job)| Ok((*fd, *writer, handle_of(event_loop, job)?)))
        .collect()
}

/// Returns the number of those that [`watches`] returns, the number of timers that have become
/// ready, and the longest turn since the last call, in nanoseconds.
#[pyfunction]
pub(super) fn recent_figures(event_loop: &Bound<'_, EventLoop>) -> (usize, u64, u64) {
    let state = event_loop.get().state(event_loop.py());
    let Ok(driver) = state.driver() else {
        return (0, 0, 0);
    };
    let mut watches = 0;
    driver.visit_watches(|_, _, job| watches += usize::from(!job.is_urgent));
    let longest = driver.take_longest_turn().as_nanos();
    let longest = u64::try_from(longest).unwrap_or(u64::MAX);
    (watches, driver.timer_stats().count, longest)
}
