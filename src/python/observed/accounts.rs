//! The times of tasks and places, for the inspector.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyWeakrefMethods, PyWeakrefReference};

use super::Observed;
use super::tasks::Task;
use crate::instruments::recorder::{PlaceId, Ticks};
use crate::python::state::EventLoop;
use crate::reactor::Time;

/// Failed tasks beyond this number are forgotten until [`task_changes`] takes the others.
const MAX_FAILED: usize = 100;

/// Turns the accounts of tasks and places on or off. Calls are counted.
#[pyfunction]
pub(in crate::python) fn observe_tasks(
    py: Python<'_>,
    event_loop: &Bound<'_, EventLoop>,
    on: bool,
) -> PyResult<()> {
    let state = event_loop.get().state(py);
    if on {
        let observed = state.observe(event_loop)?;
        observed.keeps_accounts.set(true);
        observed.tasks.borrow_mut().forget_reader();
    } else {
        if let Some(observed) = &*state.observed.borrow() {
            observed.keeps_accounts.set(false);
            observed.failed.take();
        }
        state.unobserve();
    }
    Ok(())
}

impl Observed {
    /// Keeps a weak reference to a done task whose exception was not retrieved.
    pub(super) fn note_failure(&self, task: &Bound<'_, PyAny>, entry: &Task) {
        if !self.keeps_accounts.get() || self.failed.borrow().len() >= MAX_FAILED {
            return;
        }
        let has_failed = task.getattr(intern!(task.py(), "_log_traceback"));
        if !has_failed.is_ok_and(|value| value.is_truthy().unwrap_or(false)) {
            return;
        }
        if let Ok(reference) = PyWeakrefReference::new(task) {
            let failed = (entry.number, reference.unbind());
            self.failed.borrow_mut().push(failed);
        }
    }
}

/// Four lists: the addresses and numbers of new tasks, the numbers of tasks that have stepped, the
/// numbers of tasks that have ended, and the tasks whose exception was not retrieved, each with its
/// number.
type Changes<'py> = (
    Vec<(usize, u32)>,
    Vec<u32>,
    Vec<u32>,
    Vec<(u32, Bound<'py, PyAny>)>,
);

/// Returns what has happened to the tasks since the last call, for one reader. `live` are all tasks
/// of the loop, if the table is to be compared with them: it may have entries of tasks that were
/// collected, and lack those that have not stepped. None if the accounts are off.
#[pyfunction]
#[pyo3(signature = (event_loop, live=None))]
pub(in crate::python) fn task_changes<'py>(
    event_loop: &Bound<'py, EventLoop>,
    live: Option<&Bound<'py, PyList>>,
) -> Option<Changes<'py>> {
    let py = event_loop.py();
    let observed = event_loop.get().state(py).observed.borrow().clone()?;
    let failed = observed.failed.take();
    let failed = failed
        .into_iter()
        .filter_map(|(number, reference)| Some((number, reference.bind(py).upgrade()?)));
    let failed = failed.collect();
    let addresses: Option<Vec<usize>> =
        live.map(|live| live.iter().map(|task| task.as_ptr().addr()).collect());
    let mut tasks = observed.tasks.borrow_mut();
    if let Some(addresses) = addresses {
        let now = observed.clock.now();
        for &address in &addresses {
            tasks.seen(address, now);
        }
        let live: rustc_hash::FxHashSet<usize> = addresses.into_iter().collect();
        tasks.retain(|address| live.contains(&address));
    }
    let changes = tasks.take_changes();
    Some((changes.created, changes.stepped, changes.ended, failed))
}

/// The account of a task, in nanoseconds.
///
/// - Its steps: their number, their time and the longest one; how often a step was scheduled, and
///   how often by the task itself.
/// - The times at which it was first seen, at which its next step was scheduled (0: it is not), at
///   which its step began (0: it does not run), and at which its last step has returned.
type Account = (u64, u64, u64, u64, u64, i64, i64, i64, i64);

/// Returns the accounts of the tasks with these addresses and numbers; None for one that has ended.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(in crate::python) fn task_accounts(
    event_loop: &Bound<'_, EventLoop>,
    keys: Vec<(usize, u32)>,
) -> Vec<Option<Account>> {
    let py = event_loop.py();
    let Some(observed) = event_loop.get().state(py).observed.borrow().clone() else {
        return vec![None; keys.len()];
    };
    let (clock, now) = (&observed.clock, observed.clock.now());
    let nanos = |ticks| clock.nanos(Ticks(0), Ticks(ticks));
    let monotonic = Time::now().as_nanos();
    let time = |ticks: Ticks| monotonic.saturating_sub_unsigned(clock.nanos(ticks, now));
    let known = |ticks: Ticks| if ticks.is_known() { time(ticks) } else { 0 };
    let tasks = observed.tasks.borrow();
    let account = |&(address, number): &(usize, u32)| {
        let task = tasks.get(address).filter(|task| task.number == number)?;
        Some((
            task.steps.get(),
            nanos(task.busy.get()),
            nanos(task.longest.get()),
            task.wakeups.get(),
            task.self_wakeups.get(),
            time(task.created),
            known(task.ready_since.get()),
            known(task.running_since.get()),
            time(task.idle_since.get()),
        ))
    };
    keys.iter().map(account).collect()
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
