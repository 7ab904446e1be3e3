//! Instruments that are Python objects: `loop.add_instrument()`.
//!
//! Their methods are user code, so no cell is borrowed during a call. While the driver collects
//! jobs, its queues are borrowed: the events of that time are delivered when it has collected them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use pyo3::exceptions::PyKeyError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyWeakrefMethods, PyWeakrefReference};

use super::Observed;
use crate::python::error::{is_fatal, report};
use crate::python::state::EventLoop;

/// A method of an instrument: its place in `METHODS` of `python/qtloop/_instruments.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    TaskSpawned,
    TaskScheduled,
    BeforeTaskStep,
    AfterTaskStep,
    TaskExited,
    BeforeIoWait,
    AfterIoWait,
}

/// An object, and its bound methods that exist.
struct Instrument {
    object: Py<PyAny>,
    methods: Vec<Option<Py<PyAny>>>,
    is_removed: Cell<bool>,
    /// The loop waits, and has called `before_io_wait`, if there is one.
    is_waiting: Cell<bool>,
}

/// The instruments of a loop, in the order in which they were added.
#[derive(Default)]
pub(super) struct Instruments {
    all: RefCell<Rc<[Rc<Instrument>]>>,
    /// The events for which an instrument has a method, as bits.
    wanted: Cell<u8>,
    /// The events of tasks during a collection.
    pending: RefCell<Vec<(Event, Py<PyAny>)>>,
    /// The argument of `after_io_wait` while the loop waits.
    waiting: Cell<Option<Option<f64>>>,
    /// A weak reference to the loop.
    event_loop: RefCell<Option<Py<PyWeakrefReference>>>,
}

impl Event {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Instruments {
    /// Returns whether an instrument has the method of an event.
    #[inline]
    pub(super) fn wants(&self, event: Event) -> bool {
        self.wanted.get() & event.bit() != 0
    }

    /// Returns whether an instrument has a method for the steps of tasks.
    #[inline]
    pub(super) fn wants_steps(&self) -> bool {
        self.wants(Event::BeforeTaskStep) || self.wants(Event::AfterTaskStep)
    }

    fn event_loop<'py>(&self, py: Python<'py>) -> Option<Bound<'py, EventLoop>> {
        let event_loop = self.event_loop.borrow();
        let event_loop = event_loop.as_ref()?.bind(py).upgrade()?;
        event_loop.cast_into().ok()
    }

    /// Calls the method of an event.
    pub(super) fn call(&self, event: Event, argument: &Bound<'_, PyAny>) {
        if self.wants(event) {
            self.call_if(event, argument, |_| true);
        }
    }

    fn call_if(
        &self,
        event: Event,
        argument: &Bound<'_, PyAny>,
        is_addressed: impl Fn(&Instrument) -> bool,
    ) {
        let py = argument.py();
        let all = Rc::clone(&self.all.borrow());
        for instrument in all.iter() {
            if !is_addressed(instrument) || instrument.is_removed.get() {
                continue;
            }
            if let Some(method) = &instrument.methods[event as usize]
                && let Err(error) = method.bind(py).call1((argument,))
                && !self.has_failed(instrument, event, error, py)
            {
                return;
            }
        }
    }

    /// Removes an instrument that has raised an exception, and reports it. Returns false if the
    /// exception stops the loop: then no bytecode may run.
    #[cold]
    fn has_failed(
        &self,
        instrument: &Instrument,
        event: Event,
        error: PyErr,
        py: Python<'_>,
    ) -> bool {
        let Some(event_loop) = self.event_loop(py) else {
            error.write_unraisable(py, Some(instrument.object.bind(py)));
            return true;
        };
        if !is_fatal(py, &error) {
            remove(&event_loop, instrument.object.bind(py));
        }
        let result = report(event_loop.as_any(), Err(error), |error| {
            let arguments = (&instrument.object, event as usize, error);
            event_loop.call_method1(intern!(py, "_instrument_failed"), arguments)
        });
        let state = event_loop.get().state(py);
        match result {
            Ok(()) => true,
            Err(error) => {
                state.stop_with(event_loop.as_any(), error);
                false
            }
        }
    }

    /// Keeps an event of a task until the driver has collected all jobs.
    pub(super) fn keep(&self, event: Event, task: &Bound<'_, PyAny>) {
        if self.wants(event) {
            self.pending
                .borrow_mut()
                .push((event, task.clone().unbind()));
        }
    }

    /// Delivers the events that were kept.
    pub(super) fn deliver(&self, py: Python<'_>) {
        if self.pending.borrow().is_empty() {
            return;
        }
        for (event, task) in self.pending.take() {
            self.call(event, &task.into_bound(py));
        }
    }

    /// Begins a wait.
    pub(super) fn begin_wait(&self, py: Python<'_>, timeout: Option<Duration>) {
        if !self.wants(Event::BeforeIoWait) && !self.wants(Event::AfterIoWait) {
            return;
        }
        let timeout = timeout.map(|timeout| timeout.as_secs_f64());
        self.waiting.set(Some(timeout));
        for instrument in self.all.borrow().iter() {
            instrument.is_waiting.set(true);
        }
        let Ok(timeout) = timeout.into_pyobject(py);
        self.call(Event::BeforeIoWait, &timeout);
    }

    /// Returns whether a wait has begun and not ended.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.get().is_some()
    }

    /// Ends the wait, if there is one.
    pub(super) fn end_wait(&self, py: Python<'_>) {
        if let Some(timeout) = self.waiting.take() {
            let Ok(timeout) = timeout.into_pyobject(py);
            self.call_if(Event::AfterIoWait, &timeout, |instrument| {
                instrument.is_waiting.take()
            });
        }
    }

    fn has(&self, object: &Bound<'_, PyAny>) -> bool {
        let all = self.all.borrow();
        all.iter().any(|instrument| instrument.object.is(object))
    }

    fn set(&self, all: Vec<Rc<Instrument>>) {
        let bits = |instrument: &Rc<Instrument>| {
            let methods = instrument.methods.iter().enumerate();
            methods.fold(0, |bits, (place, method)| {
                bits | u8::from(method.is_some()) << place
            })
        };
        self.wanted
            .set(all.iter().map(bits).fold(0, |all, bits| all | bits));
        let before = self.all.replace(all.into());
        drop(before); // it may be the last reference to user objects
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(all) = self.all.try_borrow() else {
            return Ok(());
        };
        for instrument in all.iter() {
            visit.call(&instrument.object)?;
            for method in instrument.methods.iter().flatten() {
                visit.call(method)?;
            }
        }
        Ok(())
    }
}

/// Adds an instrument to a loop, with its methods in the order of `METHODS` or None. The tasks are
/// those that exist. No effect if it is added already. RuntimeError if the loop is closed, or on
/// another thread.
#[pyfunction]
pub(in crate::python) fn add_instrument(
    event_loop: &Bound<'_, EventLoop>,
    instrument: &Bound<'_, PyAny>,
    methods: Vec<Option<Py<PyAny>>>,
    tasks: &Bound<'_, PyList>,
) -> PyResult<()> {
    let py = event_loop.py();
    let state = event_loop.get().state(py);
    let observed = state.observe(event_loop.as_any())?;
    let instruments = &observed.instruments;
    let mut all = instruments.all.borrow().to_vec();
    if !all.is_empty() {
        state.unobserve(); // together they are one user of the observer
    }
    if instruments.has(instrument) {
        return Ok(());
    }
    let weak = PyWeakrefReference::new(event_loop)?;
    instruments.event_loop.replace(Some(weak.unbind()));
    observed.know(tasks);
    all.push(Rc::new(Instrument {
        object: instrument.clone().unbind(),
        methods,
        is_removed: Cell::new(false),
        is_waiting: Cell::new(false),
    }));
    instruments.set(all);
    Ok(())
}

/// Removes an instrument from a loop. KeyError if it was not added, RuntimeError on another thread.
#[pyfunction]
pub(in crate::python) fn remove_instrument(
    event_loop: &Bound<'_, EventLoop>,
    instrument: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = event_loop.py();
    event_loop.get().state(py).check_here(py)?;
    if remove(event_loop, instrument) {
        Ok(())
    } else {
        Err(PyKeyError::new_err(instrument.clone().unbind()))
    }
}

fn remove(event_loop: &Bound<'_, EventLoop>, object: &Bound<'_, PyAny>) -> bool {
    let state = event_loop.get().state(event_loop.py());
    let Some(observed) = state.observed.borrow().clone() else {
        return false;
    };
    let instruments = &observed.instruments;
    let mut all = instruments.all.borrow().to_vec();
    let Some(place) = all.iter().position(|each| each.object.is(object)) else {
        return false;
    };
    all.remove(place).is_removed.set(true);
    let is_last = all.is_empty();
    instruments.set(all);
    if is_last {
        instruments.waiting.take();
        state.unobserve();
    }
    true
}

impl Observed {
    /// Adds the tasks that exist to the table, for they are not new.
    fn know(&self, tasks: &Bound<'_, PyList>) {
        let now = self.clock.now();
        let mut table = self.tasks.borrow_mut();
        for task in tasks {
            table.seen(task.as_ptr().addr(), now);
        }
    }
}
