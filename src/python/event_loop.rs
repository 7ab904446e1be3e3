//! The native half of `qtloop.QEventLoop`: what asyncio's loop does once per callback, over a [`Driver`].
//!
//! The state that this half reads lives here, under asyncio's own attribute names (`_debug`, `_closed`, `_thread_id`,
//! `_stopping`), so that asyncio's Python code, which the other half inherits, reads and writes it unchanged.
//!
//! Longer than a file should be: PyO3 wants all of a class's methods in one block.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::RawFd;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

use pyo3::exceptions::{
    PyBaseException, PyOSError, PyRecursionError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::buffer::Buffer;
use super::datagrams::Datagrams;
use super::endpoint::Endpoint;
use super::gil::{self, Guarded};
use super::handle::{self, Call};
use super::job::{Job, Kind};
use super::running::{self, Outer, is_fatal};
use super::stream::Stream;
use crate::driver::{Driver, Turn, Wakeup};
use crate::qt::{Nest, app};
use crate::reactor::{Recur, Side, Time, TimerKey};

/// The Qt loop of a run, which `stop()` exits.
#[derive(Clone)]
enum HostLoop {
    /// The application's `exec()`. The end of the run does not quit the application.
    Application,
    /// The `exec()` of this thread's `QThread`.
    Thread,
    /// A nested loop of our own.
    Nested(Rc<Nest>),
}

pub(super) struct State {
    /// `None` once the loop is closed.
    driver: RefCell<Option<Rc<Driver<Job>>>>,
    /// `None` outside of a run.
    host_loop: RefCell<Option<HostLoop>>,
    /// The application's signals were off before we switched them off.
    were_blocked: Cell<Option<bool>>,
    pub(super) debug: Cell<bool>,
    /// The thread that runs the loop, or a turn of it.
    thread_id: Cell<Option<u64>>,
    /// Another loop was the running loop when the turn under way began.
    is_inside_another: Cell<bool>,
    /// A run or an attach() is under way, and raises a fatal error at its end.
    is_owned: Cell<bool>,
    /// Slots of `aboutToQuit` run.
    is_quitting: Cell<bool>,
    pub(super) task_factory: RefCell<Option<Py<PyAny>>>,
    /// What leaves `run_forever`: KeyboardInterrupt, SystemExit.
    fatal: RefCell<Option<PyErr>>,
    /// Nested loops that Python code waits in, which end with this loop.
    nests: RefCell<Vec<Rc<Nest>>>,
    /// How many turns there were inside of jobs, ever.
    nested_turns: Cell<u64>,
    /// What transports read into.
    pub(super) buffer: RefCell<Buffer>,
    /// Handles whose context is in use further out on the stack, with the depth of the turn they came up in.
    deferred: RefCell<Vec<(usize, Job)>>,
    /// The process is a forked child, on Python 3.14 or newer, and the job that has forked has not
    /// returned: see [`running::leave_forked_task`].
    is_forked: Cell<bool>,
}

/// The native half of QEventLoop. Not for use by itself.
#[pyclass(subclass, frozen, module = "qtloop._native")]
pub(super) struct EventLoop(Guarded<Rc<State>>);

impl EventLoop {
    pub(super) fn state(&self, py: Python<'_>) -> &Rc<State> {
        self.0.get(py)
    }

    fn driver(&self, py: Python<'_>) -> PyResult<Rc<Driver<Job>>> {
        self.state(py).driver()
    }

    pub(super) fn is_debug(&self, py: Python<'_>) -> bool {
        self.state(py).debug.get()
    }

    /// The handle gives its timer up; the job that waited, for the caller to drop.
    pub(super) fn cancel_timer(&self, py: Python<'_>, key: TimerKey) -> Option<Job> {
        self.driver(py).ok()?.cancel(key)
    }
}

impl State {
    pub(super) fn driver(&self) -> PyResult<Rc<Driver<Job>>> {
        self.driver.borrow().clone().ok_or_else(closed)
    }

    #[inline]
    pub(super) fn check_closed(&self) -> PyResult<()> {
        if self.driver.borrow().is_none() {
            return Err(closed());
        }
        Ok(())
    }

    /// Queues a handle, on the loop's own thread.
    #[inline]
    pub(super) fn push_here(&self, job: Job) -> PyResult<()> {
        // Queueing runs no foreign code, so the cell can stay borrowed.
        self.driver.borrow().as_ref().ok_or_else(closed)?.push(job);
        Ok(())
    }

    /// Runs one turn. `event_loop` is the whole object, both halves.
    fn turn(&self, event_loop: &Bound<'_, PyAny>, mut turn: Turn<Job>) {
        let py = event_loop.py();
        let depth = turn.depth();
        if let Err(error) = py.check_signals() {
            return self.end_by(event_loop, error);
        }
        let outer = match Outer::replace(event_loop) {
            Ok(outer) => outer,
            // No job has run, and none is lost: they wait for the next turn.
            Err(error) if is_fatal(py, &error) => return self.end_by(event_loop, error),
            Err(error) => return error.write_unraisable(py, Some(event_loop)),
        };
        let is_nested = depth > 1 || outer.has_task();
        let before = (self.thread_id.get(), self.is_inside_another.get());
        let mut result = Ok(());
        if outer.is_foreign_to(event_loop) {
            self.thread_id.set(Some(this_thread(py)));
            if before.0.is_none() && self.debug.get() {
                result = track_origins(event_loop, true);
            }
        }
        self.is_inside_another
            .set(outer.is_another_loop(event_loop));
        self.retry_deferred(depth);
        let mut has_room = true;
        if is_nested {
            self.nested_turns.set(self.nested_turns.get() + 1);
            turn.rest_if_spinning();
            // Without room on the stack a callback would be lost, and the report of its error, too.
            has_room = match event_loop.call_method0(intern!(py, "_has_room")) {
                Err(error) if !error.is_instance_of::<PyRecursionError>(py) => {
                    result = result.and(Err(error));
                    false
                }
                room => room.is_ok(),
            };
        }
        while has_room && result.is_ok() {
            if turn.take_polled() {
                // Other threads may wait for the lock, and a chain of short callbacks would not let go of it before the
                // interpreter's switch interval: 5 ms for each time that they need it.
                gil::leave(py, || {});
            }
            let Some(job) = turn.next() else {
                let Some(linger) = turn.linger() else { break };
                gil::leave(py, || linger.wait());
                continue;
            };
            result = self.run(event_loop, &job, is_nested, depth);
            self.bring_back(depth);
        }
        if let Ok(driver) = self.driver()
            && let Some(error) = driver.take_error()
        {
            result = result.and(Err(os_error(error)));
        }
        if let Err(error) = result {
            outer.wake_for(event_loop, &error);
            self.end_by(event_loop, error);
        }
        drop(turn);
        if outer.is_foreign_to(event_loop) && before.0.is_none() && self.debug.get() {
            let _ = track_origins(event_loop, false);
        }
        outer.restore(event_loop);
        self.thread_id.set(before.0);
        self.is_inside_another.set(before.1);
        if !self.deferred.borrow().is_empty()
            && let Ok(driver) = self.driver()
        {
            driver.retry_soon();
        }
    }

    /// Stops the loop by an error. Outside of a run and an attach(), no code of ours would raise a
    /// KeyboardInterrupt or SystemExit: then the program's own `exec()` is exited, and the error is
    /// raised where that returns.
    ///
    /// No bytecode may run between this and the return to Qt, or the error is raised there.
    pub(super) fn end_by(&self, event_loop: &Bound<'_, PyAny>, error: PyErr) {
        let py = event_loop.py();
        if self.is_owned.get() || !is_fatal(py, &error) || !running::raise_in_main(py, &error) {
            self.fail(event_loop, error);
        } else if !self.is_quitting.get() {
            self.exit_unrun(event_loop);
        }
    }

    /// Stops the loop by an error, which `run_forever` raises. The first error is kept; a later one is
    /// only reported.
    fn fail(&self, event_loop: &Bound<'_, PyAny>, error: PyErr) {
        let first = self.fatal.borrow().is_none();
        if first {
            self.fatal.replace(Some(error));
        } else {
            error.write_unraisable(event_loop.py(), Some(event_loop));
        }
        self.stop(event_loop);
    }

    /// Exits the Qt loop that serves the loop: that of the run, or the program's own `exec()`. If there
    /// is none, the next run ends after its first batch, as in asyncio.
    fn stop(&self, event_loop: &Bound<'_, PyAny>) {
        let Ok(driver) = self.driver() else { return };
        if driver.is_run() || (driver.is_attached() && !driver.is_here()) {
            driver.stop();
        } else if !self.is_quitting.get() && !self.exit_unrun(event_loop) {
            // In a slot of aboutToQuit the program's exec() is about to return anyway.
            driver.stop_next_run();
        }
    }

    /// Runs one handle; the error is one that ends the loop.
    fn run(
        &self,
        event_loop: &Bound<'_, PyAny>,
        job: &Job,
        is_nested: bool,
        depth: usize,
    ) -> PyResult<()> {
        let py = event_loop.py();
        if let Kind::Transport(side) = job.kind {
            return self.run_transport(event_loop, job, side);
        }
        job.unschedule(py);
        if job.is_cancelled(py) {
            if let (Some((fd, side)), Ok(driver)) = (job.watched(py), self.driver()) {
                // Cancelled by its handle, and not by `remove_reader`: it is still registered.
                drop(driver.unwatch(fd, side, |watched| watched.object.is(&*job.object)));
            }
            return Ok(());
        }
        if is_nested && !job.can_enter(py) {
            self.deferred.borrow_mut().push((depth, job.again()));
            return Ok(());
        }
        let mut result = if self.debug.get() {
            // asyncio's own `Handle._run`, timed.
            event_loop
                .call_method1(intern!(py, "_run_handle"), (&*job.object,))
                .map(drop)
        } else {
            job.call(py)
        };
        if let (Some((fd, side)), Ok(driver)) = (job.watched(py), self.driver()) {
            driver.rearm(fd, side, |watched| watched.object.is(&*job.object));
        }
        if self.is_forked.get() {
            self.is_forked.set(depth > 1);
            result = running::leave_forked_task(event_loop, result);
        }
        report(event_loop, result, |error| {
            event_loop.call_method1(intern!(py, "_handle_failed"), (&*job.object, error))
        })
    }

    /// Runs one side of a transport; the error is one that ends the loop.
    fn run_transport(&self, event_loop: &Bound<'_, PyAny>, job: &Job, side: Side) -> PyResult<()> {
        let py = event_loop.py();
        let transport = job.object.bind(py);
        let io = transport.getattr(intern!(py, "_io"))?;
        let result = if self.debug.get() {
            let arguments = (transport, side == Side::Write);
            event_loop
                .call_method1(intern!(py, "_run_transport"), arguments)
                .map(drop)
        } else {
            io.cast::<Endpoint>()?
                .get()
                .run(py, side, || match io.cast::<Stream>() {
                    Ok(stream) => Stream::work(stream, transport, side),
                    Err(_) => Datagrams::work(io.cast()?, transport, side),
                })
        };
        report(event_loop, result, |error| {
            let arguments = (transport, side == Side::Write, error);
            event_loop.call_method1(intern!(py, "_transport_failed"), arguments)
        })
    }

    /// Queues deferred handles again when a turn of this depth begins. They may have waited for a
    /// context that was entered outside of any turn, such as that of a task started eagerly in a slot.
    fn retry_deferred(&self, depth: usize) {
        self.bring_back(depth - 1);
    }

    /// A job at this depth has returned: handles that waited for its context are next.
    #[inline]
    fn bring_back(&self, depth: usize) {
        if !self.deferred.borrow().is_empty() {
            self.bring_back_deferred(depth);
        }
    }

    #[cold]
    fn bring_back_deferred(&self, depth: usize) {
        let (back, stay): (Vec<_>, Vec<_>) = self
            .deferred
            .take()
            .into_iter()
            .partition(|(deeper, _)| *deeper > depth);
        self.deferred.replace(stay);
        if let Ok(driver) = self.driver() {
            for (_, job) in back.into_iter().rev() {
                driver.push_front(job);
            }
        }
    }

    /// Exits the Qt loop of the run.
    fn exit_run(&self) {
        for nest in &*self.nests.borrow() {
            nest.leave(0);
        }
        let host_loop = self.host_loop.borrow().clone();
        match host_loop {
            Some(HostLoop::Application) => {
                self.were_blocked.set(Some(app::block_signals(true)));
                app::exit(0);
            }
            Some(HostLoop::Thread) => app::thread_exit(0),
            Some(HostLoop::Nested(nest)) => nest.leave(0),
            None => {}
        }
    }

    /// Exits the program's own `exec()`, outside of a run. Returns false if there is none, or if it
    /// serves a callback of another loop.
    fn exit_unrun(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        let running = running::running_loop(event_loop.py()).ok().flatten();
        let is_another = running.is_some_and(|running| !running.is(event_loop));
        !is_another && self.exit_exec()
    }

    /// The same, if the running loop is this one or none.
    fn exit_exec(&self) -> bool {
        if app::level() == 0 || self.is_inside_another.get() {
            return false;
        }
        for nest in &*self.nests.borrow() {
            nest.leave(0);
        }
        if app::is_main_thread() {
            app::exit(0);
        } else {
            app::thread_exit(0);
        }
        true
    }

    /// Queues a handle. From the loop's own thread, or while it does not run, the lock alone orders it with all others.
    #[inline]
    pub(super) fn push(&self, py: Python<'_>, job: Job) -> PyResult<()> {
        match self.thread_id.get() {
            Some(thread) if thread != this_thread(py) => {
                let remote = self.driver()?.remote();
                remote.send(job).map_err(|_| closed())
            }
            _ => self.push_here(job),
        }
    }
}

/// Has a callback's error told to the program, unless it is one that ends the loop: that is returned.
fn report<'py>(
    event_loop: &Bound<'py, PyAny>,
    result: PyResult<()>,
    tell: impl FnOnce(Py<PyBaseException>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let py = event_loop.py();
    let Err(error) = result else { return Ok(()) };
    if is_fatal(py, &error) {
        return Err(error);
    }
    match tell(error.into_value(py)) {
        Err(error) if is_fatal(py, &error) => Err(error),
        Err(error) => {
            error.write_unraisable(py, Some(event_loop));
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

#[cold]
fn closed() -> PyErr {
    PyRuntimeError::new_err("Event loop is closed")
}

pub(super) fn side(writer: bool) -> Side {
    if writer { Side::Write } else { Side::Read }
}

/// What `threading.get_ident()` says.
fn this_thread(_py: Python<'_>) -> u64 {
    // SAFETY: no preconditions.
    unsafe { ffi::PyThread_get_thread_ident() as u64 }
}

/// asyncio's errors carry the number, and the class that goes with it.
pub(super) fn os_error(error: io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => {
            let words = error.to_string();
            let end = words.find(" (os error").unwrap_or(words.len());
            PyOSError::new_err((number, words[..end].to_owned()))
        }
        None => error.into(),
    }
}

/// Switches the record of where each coroutine was made, for asyncio's debug mode.
fn track_origins(event_loop: &Bound<'_, PyAny>, on: bool) -> PyResult<()> {
    let name = intern!(event_loop.py(), "_set_coroutine_origin_tracking");
    event_loop.call_method1(name, (on,)).map(drop)
}

#[pymethods]
impl EventLoop {
    /// The arguments are for the Python half.
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<EventLoop> {
        let by_qtimer = std::env::var_os("QTLOOP_TIMER").is_some_and(|value| value == "qtimer");
        let driver = Driver::new(cfg!(target_os = "linux") && !by_qtimer).map_err(os_error)?;
        // `sleep(0)` a few times is how programs, and tests, wait for what is on its way.
        driver.set_poll_batches(5);
        let state = State {
            driver: RefCell::new(Some(driver)),
            host_loop: RefCell::new(None),
            were_blocked: Cell::new(None),
            debug: Cell::new(false),
            thread_id: Cell::new(None),
            is_inside_another: Cell::new(false),
            is_owned: Cell::new(false),
            is_quitting: Cell::new(false),
            task_factory: RefCell::new(None),
            fatal: RefCell::new(None),
            nests: RefCell::new(Vec::new()),
            nested_turns: Cell::new(0),
            buffer: RefCell::default(),
            deferred: RefCell::new(Vec::new()),
            is_forked: Cell::new(false),
        };
        Ok(EventLoop(Guarded::new(Rc::new(state))))
    }

    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let state = self.0.get_in_traverse();
        let mut result = Ok(());
        // No cell is borrowed while Python code runs, and the collector runs only then.
        if let Some(driver) = state
            .driver
            .try_borrow()
            .ok()
            .and_then(|driver| driver.clone())
        {
            driver.visit(|job| {
                if result.is_ok() {
                    result = visit.call(&*job.object);
                }
            });
        }
        if let Ok(factory) = state.task_factory.try_borrow()
            && let Some(factory) = &*factory
        {
            visit.call(factory)?;
        }
        if let Ok(deferred) = state.deferred.try_borrow() {
            for (_, job) in deferred.iter() {
                visit.call(&*job.object)?;
            }
        }
        result
    }

    fn __clear__(&self) {
        let state = self.0.get_in_traverse();
        let driver = state.driver.take();
        let deferred = state.deferred.take();
        let factory = state.task_factory.take();
        drop((driver, deferred, factory));
    }

    /// asyncio's monotonic clock: time.monotonic().
    #[allow(clippy::unused_self)]
    fn time(&self) -> f64 {
        Time::now().as_secs_f64()
    }

    fn get_debug(&self, py: Python<'_>) -> bool {
        self.state(py).debug.get()
    }

    #[getter(_debug)]
    fn debug_flag(&self, py: Python<'_>) -> bool {
        self.state(py).debug.get()
    }

    #[setter(_debug)]
    fn set_debug_flag(&self, py: Python<'_>, on: &Bound<'_, PyAny>) -> PyResult<()> {
        self.state(py).debug.set(on.is_truthy()?);
        Ok(())
    }

    /// asyncio says True here to close the loop; it also says False, once, when it makes it.
    #[getter(_closed)]
    fn closed(&self, py: Python<'_>) -> bool {
        self.state(py).driver.borrow().is_none()
    }

    #[setter(_closed)]
    fn set_closed(&self, py: Python<'_>, closed: bool) {
        if closed {
            // Out of the cell first: what the handles let go of may run any code.
            let driver = self.state(py).driver.take();
            let deferred = self.state(py).deferred.take();
            drop((driver, deferred));
        }
    }

    /// Whether the loop is the running loop: in its turns, and during a run or an attach().
    fn is_running(&self, py: Python<'_>) -> bool {
        self.state(py).thread_id.get().is_some()
    }

    #[getter(_task_factory)]
    fn task_factory(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let factory = self.state(py).task_factory.borrow();
        factory.as_ref().map(|factory| factory.clone_ref(py))
    }

    #[setter(_task_factory)]
    fn set_task_factory_slot(&self, py: Python<'_>, factory: Option<Py<PyAny>>) {
        // Out of the cell first: what it lets go of may run any code.
        let before = self.state(py).task_factory.replace(factory);
        drop(before);
    }

    #[getter(_thread_id)]
    fn thread_id(&self, py: Python<'_>) -> Option<u64> {
        self.state(py).thread_id.get()
    }

    #[setter(_thread_id)]
    fn set_thread_id(&self, py: Python<'_>, thread: Option<u64>) {
        self.state(py).thread_id.set(thread);
    }

    #[getter(_stopping)]
    fn stopping(&self, py: Python<'_>) -> bool {
        self.driver(py)
            .is_ok_and(|driver| driver.is_stopping() || (driver.is_run() && driver.has_exited()))
    }

    #[setter(_stopping)]
    fn set_stopping(slf: &Bound<'_, Self>, stopping: bool) {
        let state = slf.get().state(slf.py());
        if stopping {
            state.stop(slf.as_any());
        } else if let Ok(driver) = state.driver() {
            driver.unstop();
        }
    }

    #[getter(_is_owned)]
    fn is_owned(&self, py: Python<'_>) -> bool {
        self.state(py).is_owned.get()
    }

    /// Whether a run or an attach() is under way, which raises a fatal error at its end.
    #[setter(_is_owned)]
    fn set_is_owned(&self, py: Python<'_>, owned: bool) {
        self.state(py).is_owned.set(owned);
    }

    #[getter(_is_quitting)]
    fn is_quitting(&self, py: Python<'_>) -> bool {
        self.state(py).is_quitting.get()
    }

    /// Whether slots of aboutToQuit run; a stop() in one of them has no effect on what comes after.
    #[setter(_is_quitting)]
    fn set_is_quitting(&self, py: Python<'_>, quitting: bool) {
        self.state(py).is_quitting.set(quitting);
    }

    /// How many handles were queued since the last outermost turn, that is, by calls from Qt.
    fn _queued_since_turn(&self, py: Python<'_>) -> u64 {
        self.driver(py)
            .map_or(0, |driver| driver.queued_since_turn())
    }

    /// How long, in seconds, callbacks may run before Qt sees to its own events. The default is 0.002: far below a frame
    /// of the window, far above what a trip through Qt costs. A batch is always finished.
    #[getter]
    fn turn_budget(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.driver(py)?.budget().as_secs_f64())
    }

    #[setter]
    fn set_turn_budget(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let budget = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("turn_budget: {error}")))?;
        self.driver(py)?.set_budget(budget);
        Ok(())
    }

    /// How long, in seconds, a busy loop waits for the next request before the thread goes back to Qt. The default is
    /// 0.0001, which no eye sees; the wait is within the turn_budget, and an idle loop has none. Zero switches it off.
    #[getter]
    fn linger(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.driver(py)?.linger().as_secs_f64())
    }

    #[setter]
    fn set_linger(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let linger = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("linger: {error}")))?;
        self.driver(py)?.set_linger(linger);
        Ok(())
    }

    /// Attach the loop to Qt on this thread, until _detach(). No effect if it is attached here already.
    /// The application must exist.
    fn _attach(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let state = slf.get().state(py);
        let driver = state.driver()?;
        if driver.is_attached() {
            if driver.is_here() {
                return Ok(());
            }
            driver.detach();
        }
        let (turning, exiting) = (Rc::downgrade(state), Rc::downgrade(state));
        // Not a reference: the loop owns the driver, the driver owns this closure, and both go together.
        let object = slf.as_ptr();
        let front_end = move |wakeup: Wakeup<'_, Job>| {
            gil::enter(|py| {
                if let Some(state) = turning.upgrade()
                    && let Some(turn) = wakeup.turn()
                {
                    // SAFETY: the state is the loop's own, so the loop is alive; here it is held.
                    let event_loop = unsafe { Bound::from_borrowed_ptr(py, object) };
                    state.turn(&event_loop, turn);
                }
            });
        };
        let exit = move || exiting.upgrade().is_some_and(|state| state.exit_exec());
        driver.attach(front_end, exit).map_err(os_error)
    }

    /// Detach the loop from Qt; callable on any thread. Handles wait for the next _attach().
    fn _detach(&self, py: Python<'_>) {
        if let Ok(driver) = self.driver(py) {
            driver.detach();
        }
    }

    /// Whether the loop is attached to Qt.
    fn _is_attached(&self, py: Python<'_>) -> bool {
        self.driver(py).is_ok_and(|driver| driver.is_attached())
    }

    /// Whether a run is under way.
    fn _is_run(&self, py: Python<'_>) -> bool {
        self.driver(py).is_ok_and(|driver| driver.is_run())
    }

    /// Begin a run on this thread, after _attach(). `host_loop` is the Qt loop that _exec() will run:
    /// "application", "thread" or "nested".
    fn _begin_run(&self, py: Python<'_>, host_loop: &str) -> PyResult<()> {
        let host_loop = match host_loop {
            "application" => HostLoop::Application,
            "thread" => HostLoop::Thread,
            "nested" => HostLoop::Nested(Rc::new(Nest::new())),
            other => return Err(PyValueError::new_err(format!("no such loop: {other}"))),
        };
        let state = self.state(py);
        let driver = state.driver()?;
        if driver.depth() > 0 || driver.is_run() {
            return Err(PyRuntimeError::new_err(
                "This event loop is already running",
            ));
        }
        state.host_loop.replace(Some(host_loop));
        let exiting = Rc::downgrade(state);
        driver.begin_run(move || {
            if let Some(state) = exiting.upgrade() {
                state.exit_run();
            }
        });
        Ok(())
    }

    /// End the run.
    fn _end_run(&self, py: Python<'_>) {
        let state = self.state(py);
        if let Ok(driver) = state.driver() {
            driver.end_run();
        }
        state.host_loop.take();
        if let Some(blocked) = state.were_blocked.take() {
            app::block_signals(blocked);
        }
    }

    /// Run the Qt loop that _begin_run() named, and return its exit code.
    fn _exec(&self, py: Python<'_>) -> PyResult<i32> {
        let host_loop = self.state(py).host_loop.borrow().clone();
        let host_loop =
            host_loop.ok_or_else(|| PyRuntimeError::new_err("_exec() before _begin_run()"))?;
        // Borrowed: without the lock, nothing may be dropped that counts its owners.
        Ok(gil::leave(py, || match &host_loop {
            HostLoop::Application => app::exec(),
            HostLoop::Thread => app::thread_exec(),
            HostLoop::Nested(nest) => nest.exec(false),
        }))
    }

    /// Pause or resume the outermost turns of the run, for a Qt loop that is probably about to quit.
    fn _set_paused(&self, py: Python<'_>, paused: bool) {
        if let Ok(driver) = self.driver(py) {
            driver.set_paused(paused);
        }
    }

    /// Wait in a nested loop, until it is left or this loop ends.
    fn _exec_nest(&self, py: Python<'_>, nest: &Bound<'_, super::nest::Nest>) {
        let state = self.state(py);
        let nest = nest.borrow().share();
        state.nests.borrow_mut().push(Rc::clone(&nest));
        let wait = || gil::leave(py, || nest.exec(true));
        let _ = match state.driver() {
            Ok(driver) => driver.hold(wait),
            Err(_) => wait(),
        };
        state
            .nests
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, &nest));
    }

    /// Run what is ready now, once, without Qt.
    fn _run_batch(slf: &Bound<'_, Self>) -> PyResult<()> {
        let state = slf.get().state(slf.py());
        let turn = state.driver()?.batch();
        state.turn(slf.as_any(), turn);
        Ok(())
    }

    /// Give a forked child a poller of its own.
    fn _after_fork(&self, py: Python<'_>) -> PyResult<()> {
        let state = self.state(py);
        if py.version_info() >= (3, 14) && state.thread_id.get() == Some(this_thread(py)) {
            state.is_forked.set(true);
        }
        match self.driver(py) {
            Ok(driver) => driver.after_fork().map_err(os_error),
            Err(_) => Ok(()),
        }
    }

    /// How many turns are under way, one inside the other.
    fn _depth(&self, py: Python<'_>) -> usize {
        self.driver(py).map_or(0, |driver| driver.depth())
    }

    /// How many turns there were inside of handles, ever. There is one at least in any Qt loop that a handle runs: the
    /// host is armed before.
    fn _nested_turns(&self, py: Python<'_>) -> u64 {
        self.state(py).nested_turns.get()
    }

    /// Whether stop(), and not Qt, has ended the Qt loop.
    fn _has_exited(&self, py: Python<'_>) -> bool {
        self.driver(py).is_ok_and(|driver| driver.has_exited())
    }

    /// Whether an exception has stopped the loop and has not been raised yet.
    fn _has_fatal(&self, py: Python<'_>) -> bool {
        self.state(py).fatal.borrow().is_some()
    }

    /// The exception that has stopped the loop, once.
    fn _take_fatal<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let fatal = self.state(py).fatal.take()?;
        Some(fatal.into_value(py).into_bound(py).into_any())
    }

    /// Leave run_forever() by this exception.
    fn _fail(slf: &Bound<'_, Self>, error: &Bound<'_, PyAny>) {
        let error = PyErr::from_value(error.clone());
        slf.get().state(slf.py()).fail(slf.as_any(), error);
    }

    /// Watch one side of a descriptor, until _unwatch() or `once`; cancels the handle that did so before, and returns the
    /// new one.
    #[pyo3(signature = (fd, writer, once, callback, args, context=None))]
    fn _watch<'py>(
        slf: &Bound<'py, Self>,
        fd: RawFd,
        writer: bool,
        once: bool,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let state = slf.get().state(py);
        let driver = state.driver()?;
        let side = side(writer);
        let args: Vec<*mut ffi::PyObject> =
            args.iter_borrowed().map(|each| each.as_ptr()).collect();
        let call = Call {
            event_loop: slf.as_ptr(),
            callback: callback.as_ptr(),
            args: &args,
            context: context.map_or(ptr::null_mut(), Bound::as_ptr),
            debug: state.debug.get(),
        };
        // SAFETY: all of it is held for the time of the call.
        let (handle, replaced) = unsafe {
            if once {
                let (handle, job) = call.soon(py)?;
                (handle, driver.watch_once(fd, side, job))
            } else {
                let (handle, job) = call.watch(py, fd, side)?;
                (handle, driver.watch(fd, side, job))
            }
        };
        for old in replaced.map_err(os_error)?.into_iter().flatten() {
            old.object.call_method0(py, intern!(py, "cancel"))?;
        }
        Ok(handle)
    }

    /// End a watch, only that of the handle if one is given, and cancel it. Returns whether there was one.
    #[pyo3(signature = (fd, writer, handle=None))]
    fn _unwatch(
        &self,
        py: Python<'_>,
        fd: RawFd,
        writer: bool,
        handle: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let Ok(driver) = self.driver(py) else {
            return Ok(false);
        };
        let is_mine = |job: &Job| handle.is_none_or(|handle| job.object.is(handle));
        let Some(old) = driver.unwatch(fd, side(writer), is_mine) else {
            return Ok(false);
        };
        old.object.call_method0(py, intern!(py, "cancel"))?;
        Ok(true)
    }

    /// Whether one side of a descriptor is watched.
    fn _is_watched(&self, py: Python<'_>, fd: RawFd, writer: bool) -> bool {
        self.driver(py)
            .is_ok_and(|driver| driver.is_watched(fd, side(writer)))
    }

    /// asyncio's way of queueing a handle that it has made itself. Safe in signal handlers.
    fn _add_callback(&self, py: Python<'_>, handle: &Bound<'_, PyAny>) -> PyResult<()> {
        if !handle::is_handle(handle)? {
            return Err(PyTypeError::new_err("an asyncio.Handle is required"));
        }
        let job = Job::new(handle, Kind::Plain);
        if job.is_cancelled(py) {
            Ok(())
        } else {
            self.state(py).push(py, job)
        }
    }
}
