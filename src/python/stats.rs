//! The counts and times of a loop: see `python/qtloop/_stats.py`.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

use super::state::EventLoop;
use crate::reactor::Queueable;

/// Returns the fields of `qtloop.Stats` that the native half knows, by name. RuntimeError if the
/// loop is closed.
#[pyfunction]
pub(super) fn stats<'py>(event_loop: &Bound<'py, EventLoop>) -> PyResult<Bound<'py, PyDict>> {
    let py = event_loop.py();
    let state = event_loop.get().state(py);
    let mut stats = state.driver()?.stats();
    for (_, job) in state.deferred.borrow().iter() {
        let place = stats
            .ready
            .binary_search_by_key(&job.priority(), |ready| ready.0);
        match place {
            Ok(place) => stats.ready[place].1 += 1,
            Err(place) => stats.ready.insert(place, (job.priority(), 1)),
        }
    }
    let ready = stats.ready.iter();
    let ready = ready.map(|(priority, count)| (priority.get(), *count));
    let fields = [("ready", ready.into_py_dict(py)?)].into_py_dict(py)?;
    fields.set_item("watched_fds", stats.watches)?;
    fields.set_item("turns", stats.turns)?;
    fields.set_item("jobs", stats.jobs)?;
    fields.set_item("wakeups", stats.wakeups)?;
    fields.set_item("polls", stats.polls)?;
    fields.set_item("lingers", stats.lingers)?;
    fields.set_item("linger_hits", stats.linger_hits)?;
    fields.set_item("time_in_turns", stats.in_turns.as_secs_f64())?;
    fields.set_item("longest_turn", stats.longest_turn.as_secs_f64())?;
    fields.set_item("timers_fired", stats.fired.count)?;
    let mean = stats.fired.mean_lateness();
    fields.set_item("mean_timer_lateness", mean.as_secs_f64())?;
    let max = stats.fired.max_lateness;
    fields.set_item("max_timer_lateness", max.as_secs_f64())?;
    let observed = state.observed.borrow().clone();
    if let Some(observed) = observed {
        fields.set_item("time_polling", observed.polling().as_secs_f64())?;
        if let Some((in_qt, waiting)) = observed.times(stats.in_turns) {
            fields.set_item("time_in_qt", in_qt.as_secs_f64())?;
            fields.set_item("time_waiting", waiting.as_secs_f64())?;
        }
    }
    Ok(fields)
}
