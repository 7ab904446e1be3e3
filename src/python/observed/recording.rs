//! The native half of `qtloop.Recording`.

use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::Observed;
use super::qt_track::{QtEvents, QtTrack};
use crate::instruments::recorder::{Order, PlaceTimes, Quantiles, Recorder};
use crate::python::error::os_error;
use crate::python::gil::GilProtected;
use crate::python::state::{EventLoop, State};
use crate::qt::activity;

/// A recording of one loop. Use it on the loop's thread.
#[pyclass(frozen, module = "qtloop._native")]
pub(in crate::python) struct Recording(GilProtected<Parts>);

struct Parts {
    recorder: Rc<Recorder>,
    state: Weak<State>,
}

/// The times of a place, in seconds.
///
/// - Its file, line and function.
/// - The number of its jobs, their time, the longest one and when that began; the longest latency.
/// - The quantiles of the time and of the latency.
type Row = (
    (String, u32, String),
    (u64, f64, f64, f64, f64),
    Option<(f64, f64, f64)>,
    Option<(f64, f64, f64)>,
);

fn row(times: &PlaceTimes) -> Row {
    let seconds = |time: Duration| time.as_secs_f64();
    let three = |all: Quantiles| (seconds(all.p50), seconds(all.p90), seconds(all.p99));
    let place = &times.place;
    (
        (
            place.file.to_string(),
            place.line,
            place.function.to_string(),
        ),
        (
            times.count,
            seconds(times.total),
            seconds(times.worst),
            seconds(times.worst_at),
            seconds(times.worst_latency),
        ),
        times.run.map(three),
        times.latency.map(three),
    )
}

impl Observed {
    /// Begins to record. There is at most one recorder.
    fn start(&self, events: usize) -> PyResult<Rc<Recorder>> {
        if self.recorder.borrow().is_some() {
            return Err(PyRuntimeError::new_err(
                "the loop is being recorded already: stop() that recording first, or unset \
                 QTLOOP_RECORD",
            ));
        }
        let recorder = Recorder::new(events, Rc::clone(&self.places.places)).map_err(os_error)?;
        let recorder = Rc::new(recorder);
        for task in self.tasks.borrow().all() {
            if let Some(named) = task.named.get() {
                recorder.name_task(task.number, &named.name, named.place);
            }
        }
        for running in self.running.borrow().iter() {
            recorder.begins(0, running.subject);
        }
        let qt_track = QtTrack::new(self.clock.clone());
        let qt_events = QtEvents(Arc::clone(&qt_track));
        self.recorder.replace(Some(super::ActiveRecorder {
            recorder: Rc::clone(&recorder),
            qt_track,
            _qt_events: activity::observe(Rc::new(qt_events), true),
        }));
        self.is_recording.set(true);
        Ok(recorder)
    }

    /// Ends the recording by this recorder, and returns whether it was the current one.
    fn stop(&self, recorder: &Rc<Recorder>) -> bool {
        let is_this = |current: &Recorder| std::ptr::eq(current, &raw const **recorder);
        let is_current = self.record(is_this) == Some(true);
        if is_current {
            self.is_recording.set(false);
            drop(self.recorder.take());
        }
        is_current
    }
}

/// Begins to record the jobs of a loop, on its thread. RuntimeError if it is being recorded or is
/// closed.
#[pyfunction]
pub(in crate::python) fn start_recording(
    py: Python<'_>,
    event_loop: &Bound<'_, EventLoop>,
    events: usize,
) -> PyResult<Recording> {
    let state = event_loop.get().state(py);
    let observed = state.observe(event_loop)?;
    match observed.start(events) {
        Ok(recorder) => Ok(Recording(GilProtected::new(Parts {
            recorder,
            state: Rc::downgrade(state),
        }))),
        Err(error) => {
            state.unobserve();
            Err(error)
        }
    }
}

#[pymethods]
impl Recording {
    /// Ends the recording. Idempotent.
    fn stop(&self, py: Python<'_>) {
        self.0.get(py).stop();
    }

    /// Returns the number of events that are kept.
    fn events(&self, py: Python<'_>) -> usize {
        self.0.get(py).recorder.events()
    }

    /// Returns the number of events that newer ones have overwritten.
    fn dropped(&self, py: Python<'_>) -> u64 {
        self.0.get(py).recorder.dropped()
    }

    /// Returns the seconds from the begin of the recording to its end, or until now.
    fn duration(&self, py: Python<'_>) -> f64 {
        self.0.get(py).recorder.duration().as_secs_f64()
    }

    /// Returns the times of the first `n` places.
    fn top(&self, py: Python<'_>, n: usize, by_worst: bool) -> Vec<Row> {
        let order = if by_worst { Order::Worst } else { Order::Total };
        let top = self.0.get(py).recorder.top(n, order);
        top.iter().map(row).collect()
    }

    /// Writes the trace.
    #[allow(clippy::needless_pass_by_value)]
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.0.get(py).recorder.save(&path).map_err(os_error)
    }
}

impl Parts {
    fn stop(&self) {
        let state = self.state.upgrade();
        if let Some(state) = &state {
            let observed = state.observed.borrow().clone();
            if observed.is_some_and(|observed| observed.stop(&self.recorder)) {
                state.unobserve();
            }
        }
        self.recorder.stop();
    }
}

impl Drop for Parts {
    /// Ends a recording to which the program has no reference any more.
    fn drop(&mut self) {
        self.stop();
    }
}
