//! The handles in the queues of a loop, for monitors. See `python/qtloop/_monitors.py`.

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
    jobs.iter()
        .map(|job| match job.kind {
            Kind::Transport(direction) => event_loop.call_method1(
                intern!(py, "_transport_handle"),
                (&*job.object, direction == Direction::Write),
            ),
            _ => Ok(job.object.bind(py).clone()),
        })
        .collect()
}
