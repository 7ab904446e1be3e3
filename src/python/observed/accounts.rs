//! The times of tasks and places, for the inspector.

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::instruments::recorder::{PlaceId, Ticks};
use crate::python::state::EventLoop;
use crate::reactor::Time;

/// Turns the accounts of tasks and places on or off. Calls are counted.
#[pyfunction]
pub(in crate::python) fn observe_tasks(
    py: Python<'_>,
    event_loop: &Bound<'_, EventLoop>,
    on: bool,
) -> PyResult<()> {
    let state = event_loop.get().state(py);
    if on {
        state.observe(event_loop)?;
    } else {
        state.unobserve();
    }
    Ok(())
}

/// The account of a task: the task, its number, its steps, the time in them, the longest one, how
/// often a step was scheduled, and how often by the task itself; then the times at which it was
/// first seen, at which its next step was scheduled (0: it is not), at which its step began (0: it
/// does not run), and at which the last one has returned. Times are nanoseconds.
type Account<'py> = (
    Bound<'py, PyAny>,
    u32,
    u64,
    u64,
    u64,
    u64,
    u64,
    i64,
    i64,
    i64,
    i64,
);

/// Returns the accounts of these tasks, which are all live ones. None if the accounts are off.
#[pyfunction]
pub(in crate::python) fn task_accounts<'py>(
    event_loop: &Bound<'py, EventLoop>,
    tasks: &Bound<'py, PyList>,
) -> Option<Vec<Account<'py>>> {
    let py = event_loop.py();
    let observed = event_loop.get().state(py).observed.borrow().clone()?;
    let (clock, now) = (&observed.clock, observed.clock.now());
    let nanos = |ticks| clock.nanos(Ticks(0), Ticks(ticks));
    let monotonic = Time::now().as_nanos();
    let time = |ticks: Ticks| {
        let ago = clock.nanos(ticks, now);
        monotonic.saturating_sub_unsigned(ago)
    };
    let mut table = observed.tasks.borrow_mut();
    let accounts = tasks.iter().map(|task| {
        let (entry, _) = table.seen(task.as_ptr().addr(), now);
        (
            task,
            entry.number,
            entry.steps,
            nanos(entry.busy),
            nanos(entry.longest),
            entry.wakeups,
            entry.self_wakeups,
            time(entry.created),
            entry.ready_since.map_or(0, time),
            entry.running_since.map_or(0, time),
            time(entry.idle_since),
        )
    });
    let accounts: Vec<_> = accounts.collect();
    if table.len() > accounts.len() {
        let live = accounts.iter().map(|account| account.0.as_ptr().addr());
        let live: rustc_hash::FxHashSet<usize> = live.collect();
        table.retain(|address| live.contains(&address));
    }
    Some(accounts)
}

/// Returns the file, line and function of each place, the number of its jobs, their time and the
/// longest one, in nanoseconds. None if the accounts are off.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub(in crate::python) fn place_accounts(
    event_loop: &Bound<'_, EventLoop>,
) -> Option<Vec<(String, u32, String, u64, u64, u64)>> {
    let py = event_loop.py();
    let observed = event_loop.get().state(py).observed.borrow().clone()?;
    let nanos = |ticks| observed.clock.nanos(Ticks(0), Ticks(ticks));
    let totals = observed.totals.borrow();
    let known = totals.iter().zip(0..).filter(|(total, _)| total.jobs > 0);
    let accounts = known.map(|(total, number)| {
        let place = observed.places.get(PlaceId(number));
        (
            place.file.to_string(),
            place.line,
            place.function.to_string(),
            total.jobs,
            nanos(total.time),
            nanos(total.worst),
        )
    });
    Some(accounts.collect())
}
