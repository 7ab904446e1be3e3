//! The native half of `qtloop.QEventLoop`: the work that asyncio's loop does once per callback, on
//! a [`Driver`].
//!
//! The state is stored here and exposed under asyncio's own attribute names (`_debug`, `_closed`,
//! `_thread_id`, `_stopping`). So asyncio's Python code, which the Python half inherits, reads and
//! writes it unchanged.

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
use super::gil::{self, GilProtected};
use super::handle::{self, Call};
use super::job::{Job, Kind};
use super::running::{self, Outer, is_fatal};
use super::stream::Stream;
use crate::driver::{Driver, Turn, Wakeup};
use crate::qt::{NestedLoop, app};
use crate::reactor::{Direction, Repeat, Time, TimerKey};

/// The Qt loop of a run, which `stop()` exits.
#[derive(Clone)]
enum HostLoop {
    /// The application's `exec()`. `stop()` exits it without quitting the application.
    Application,
    /// The `exec()` of this thread's `QThread`.
    Thread,
    /// A nested `QEventLoop`.
    Nested(Rc<NestedLoop>),
}

pub(super) struct State {
    /// `None` once the loop is closed.
    driver: RefCell<Option<Rc<Driver<Job>>>>,
    /// `None` outside of a run.
    host_loop: RefCell<Option<HostLoop>>,
    /// Whether the application's signals were blocked before `exit_run` blocked them; `None` if it
    /// did not.
    were_blocked: Cell<Option<bool>>,
    pub(super) debug: Cell<bool>,
    /// The thread that runs the loop, or a turn of it.
    thread_id: Cell<Option<u64>>,
    /// Another loop was the running loop when the innermost turn began.
    is_inside_another: Cell<bool>,
    /// A run or an attach() is under way, and raises a fatal error at its end.
    is_owned: Cell<bool>,
    /// Slots of `aboutToQuit` are running.
    is_quitting: Cell<bool>,
    pub(super) task_factory: RefCell<Option<Py<PyAny>>>,
    /// The exception that `run_forever` will raise: KeyboardInterrupt or SystemExit.
    fatal: RefCell<Option<PyErr>>,
    /// Nested Qt loops in which Python code waits. They exit when this loop stops.
    nested_loops: RefCell<Vec<Rc<NestedLoop>>>,
    /// The number of turns that have begun inside jobs so far.
    nested_turns: Cell<u64>,
    /// The read buffer of the transports.
    pub(super) buffer: RefCell<Buffer>,
    /// Handles whose context is in use by a caller on the stack, with the depth of the turn that
    /// tried to run them.
    deferred: RefCell<Vec<(usize, Job)>>,
    /// The process is a forked child, on Python 3.14 or newer, and the job that has forked has not
    /// returned: see [`running::leave_forked_task`].
    is_forked: Cell<bool>,
}

/// The native base class of QEventLoop.
#[pyclass(subclass, frozen, module = "qtloop._native")]
pub(super) struct EventLoop(GilProtected<Rc<State>>);

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

    /// Cancels a timer, and returns its job for the caller to drop.
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

    /// Runs one turn. `event_loop` is the Python object, a subclass of [`EventLoop`].
    fn turn(&self, event_loop: &Bound<'_, PyAny>, mut turn: Turn<Job>) {
        let py = event_loop.py();
        let depth = turn.depth();
        if let Err(error) = py.check_signals() {
            return self.end_by(event_loop, error);
        }
        let outer = match Outer::replace(event_loop) {
            Ok(outer) => outer,
            // No job has run; all stay queued for the next turn.
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
            // If the stack has no room, a callback would be lost, and so would the report of its
            // error.
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
                // Release the GIL for threads that wait for it. A chain of short callbacks would
                // keep it for the interpreter's switch interval, 5 ms, each time that another
                // thread needs it.
                gil::release(py, || {});
            }
            let Some(job) = turn.next() else {
                let Some(linger) = turn.linger() else { break };
                gil::release(py, || linger.wait());
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

    /// Stops the loop with an error. Outside a run and an attach(), no code of this library can
    /// raise a KeyboardInterrupt or SystemExit: then the program's own `exec()` is exited, and the
    /// error is raised where that returns.
    ///
    /// No bytecode may run between this call and the return to Qt: the error would be raised in it.
    pub(super) fn end_by(&self, event_loop: &Bound<'_, PyAny>, error: PyErr) {
        let py = event_loop.py();
        if self.is_owned.get() || !is_fatal(py, &error) || !running::raise_in_main(py, &error) {
            self.fail(event_loop, error);
        } else if !self.is_quitting.get() {
            self.exit_unrun(event_loop);
        }
    }

    /// Stops the loop with an error, which `run_forever` raises. The first error is kept; a later
    /// one is only reported.
    fn fail(&self, event_loop: &Bound<'_, PyAny>, error: PyErr) {
        let first = self.fatal.borrow().is_none();
        if first {
            self.fatal.replace(Some(error));
        } else {
            error.write_unraisable(event_loop.py(), Some(event_loop));
        }
        self.stop(event_loop);
    }

    /// Exits the Qt loop that serves this loop: that of the run, or the program's own `exec()`. If
    /// there is none, the next run ends after its first batch, as in asyncio.
    fn stop(&self, event_loop: &Bound<'_, PyAny>) {
        let Ok(driver) = self.driver() else { return };
        if driver.is_run() || (driver.is_attached() && !driver.is_here()) {
            driver.stop();
        } else if !self.is_quitting.get() && !self.exit_unrun(event_loop) {
            // In a slot of aboutToQuit the program's exec() is about to return anyway.
            driver.stop_next_run();
        }
    }

    /// Runs one handle. Returns only errors that stop the loop.
    fn run(
        &self,
        event_loop: &Bound<'_, PyAny>,
        job: &Job,
        is_nested: bool,
        depth: usize,
    ) -> PyResult<()> {
        let py = event_loop.py();
        if let Kind::Transport(direction) = job.kind {
            return self.run_transport(event_loop, job, direction);
        }
        job.unschedule(py);
        if job.is_cancelled(py) {
            if let (Some((fd, direction)), Ok(driver)) = (job.watched(py), self.driver()) {
                // The handle was cancelled directly and not by `remove_reader`: deregister it.
                drop(driver.unwatch(fd, direction, |watched| watched.object.is(&*job.object)));
            }
            return Ok(());
        }
        if is_nested && !job.can_enter(py) {
            self.deferred.borrow_mut().push((depth, job.repeat()));
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
        if let (Some((fd, direction)), Ok(driver)) = (job.watched(py), self.driver()) {
            driver.rearm(fd, direction, |watched| watched.object.is(&*job.object));
        }
        if self.is_forked.get() {
            self.is_forked.set(depth > 1);
            result = running::leave_forked_task(event_loop, result);
        }
        report(event_loop, result, |error| {
            event_loop.call_method1(intern!(py, "_handle_failed"), (&*job.object, error))
        })
    }

    /// Runs one direction of a transport. Returns only errors that stop the loop.
    fn run_transport(
        &self,
        event_loop: &Bound<'_, PyAny>,
        job: &Job,
        direction: Direction,
    ) -> PyResult<()> {
        let py = event_loop.py();
        let transport = job.object.bind(py);
        let io = transport.getattr(intern!(py, "_io"))?;
        let result = if self.debug.get() {
            let arguments = (transport, direction == Direction::Write);
            event_loop
                .call_method1(intern!(py, "_run_transport"), arguments)
                .map(drop)
        } else {
            io.cast::<Endpoint>()?
                .get()
                .run(py, direction, || match io.cast::<Stream>() {
                    Ok(stream) => Stream::work(stream, transport, direction),
                    Err(_) => Datagrams::work(io.cast()?, transport, direction),
                })
        };
        report(event_loop, result, |error| {
            let arguments = (transport, direction == Direction::Write, error);
            event_loop.call_method1(intern!(py, "_transport_failed"), arguments)
        })
    }

    /// Queues deferred handles again when a turn of this depth begins. They may have waited for a
    /// context that was entered outside of any turn, such as that of a task started eagerly in a
    /// slot.
    fn retry_deferred(&self, depth: usize) {
        self.bring_back(depth - 1);
    }

    /// Called when a job at this depth has returned: queues the handles that waited for its context
    /// first.
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
        for nested_loop in &*self.nested_loops.borrow() {
            nested_loop.exit(0);
        }
        let host_loop = self.host_loop.borrow().clone();
        match host_loop {
            Some(HostLoop::Application) => {
                self.were_blocked.set(Some(app::block_signals(true)));
                app::exit(0);
            }
            Some(HostLoop::Thread) => app::thread_exit(0),
            Some(HostLoop::Nested(nested_loop)) => nested_loop.exit(0),
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

    /// Does what `exit_unrun` does, if the running loop is this one or none.
    fn exit_exec(&self) -> bool {
        if app::level() == 0 || self.is_inside_another.get() {
            return false;
        }
        for nested_loop in &*self.nested_loops.borrow() {
            nested_loop.exit(0);
        }
        if app::is_main_thread() {
            app::exit(0);
        } else {
            app::thread_exit(0);
        }
        true
    }

    /// Queues a handle on any thread. On the loop's thread, and while the loop does not run, the
    /// GIL is all the synchronisation that is needed; otherwise the job is sent to the loop's
    /// thread.
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

/// Reports a callback's error by `tell`, or returns it if it stops the loop.
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

pub(super) fn direction(writer: bool) -> Direction {
    if writer {
        Direction::Write
    } else {
        Direction::Read
    }
}

/// Returns the value of `threading.get_ident()`.
fn this_thread(_py: Python<'_>) -> u64 {
    // SAFETY: no preconditions.
    unsafe { ffi::PyThread_get_thread_ident() as u64 }
}

/// Converts an I/O error to the subclass of `OSError` for its number.
pub(super) fn os_error(error: io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => {
            let message = error.to_string();
            let end = message.find(" (os error").unwrap_or(message.len());
            PyOSError::new_err((number, message[..end].to_owned()))
        }
        None => error.into(),
    }
}

/// Switches the tracking of coroutine origins, for asyncio's debug mode.
fn track_origins(event_loop: &Bound<'_, PyAny>, on: bool) -> PyResult<()> {
    let name = intern!(event_loop.py(), "_set_coroutine_origin_tracking");
    event_loop.call_method1(name, (on,)).map(drop)
}

#[pymethods]
impl EventLoop {
    /// Ignores the arguments, which are for the Python half.
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<EventLoop> {
        let by_qtimer = std::env::var_os("QTLOOP_TIMER").is_some_and(|value| value == "qtimer");
        let driver = Driver::new(cfg!(target_os = "linux") && !by_qtimer).map_err(os_error)?;
        // Programs and tests call `sleep(0)` a few times to wait for I/O that is about to complete.
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
            nested_loops: RefCell::new(Vec::new()),
            nested_turns: Cell::new(0),
            buffer: RefCell::default(),
            deferred: RefCell::new(Vec::new()),
            is_forked: Cell::new(false),
        };
        Ok(EventLoop(GilProtected::new(Rc::new(state))))
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

    /// Returns time.monotonic(), in seconds.
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

    /// Whether the loop is closed. asyncio sets False in its constructor, and True to close the
    /// loop.
    #[getter(_closed)]
    fn closed(&self, py: Python<'_>) -> bool {
        self.state(py).driver.borrow().is_none()
    }

    #[setter(_closed)]
    fn set_closed(&self, py: Python<'_>, closed: bool) {
        if closed {
            // Take them out of the cells first: dropping handles may run any Python code.
            let driver = self.state(py).driver.take();
            let deferred = self.state(py).deferred.take();
            drop((driver, deferred));
        }
    }

    /// Returns whether the loop runs: in its turns, and during a run or an attach().
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
        // Take it out of the cell first: dropping it may run any Python code.
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

    /// Whether slots of aboutToQuit are running; a stop() in one of them does not affect the next
    /// run.
    #[setter(_is_quitting)]
    fn set_is_quitting(&self, py: Python<'_>, quitting: bool) {
        self.state(py).is_quitting.set(quitting);
    }

    /// Returns how many handles were queued since the last outermost turn, that is, by calls from
    /// Qt.
    fn _queued_since_turn(&self, py: Python<'_>) -> u64 {
        self.driver(py)
            .map_or(0, |driver| driver.queued_since_turn())
    }

    /// Seconds for which callbacks may run before Qt handles its own events. The default is 0.002:
    /// much less than a frame of a window, and much more than the cost of returning to Qt. The
    /// callback that is running completes; those after it wait for the next turn. With 0 a turn is
    /// one whole batch.
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

    /// Seconds for which a busy loop waits for more input before it returns to Qt. The default is
    /// 0.0001, which is invisible. The wait is within the turn_budget, and an idle loop does not
    /// wait. 0 switches it off.
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

    /// Attaches the loop to Qt on this thread, until _detach(). No effect if it is attached here
    /// already. The application must exist.
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
        // A borrowed pointer: the loop owns the driver, and the driver owns this closure. A
        // reference would be a cycle.
        let object = slf.as_ptr();
        let front_end = move |wakeup: Wakeup<'_, Job>| {
            gil::enter(|py| {
                if let Some(state) = turning.upgrade()
                    && let Some(turn) = wakeup.turn()
                {
                    // SAFETY: only the loop owns the state, so the loop is alive;
                    // `from_borrowed_ptr` keeps it alive.
                    let event_loop = unsafe { Bound::from_borrowed_ptr(py, object) };
                    state.turn(&event_loop, turn);
                }
            });
        };
        let exit = move || exiting.upgrade().is_some_and(|state| state.exit_exec());
        driver.attach(front_end, exit).map_err(os_error)
    }

    /// Detaches the loop from Qt; callable on any thread. Handles wait for the next _attach().
    fn _detach(&self, py: Python<'_>) {
        if let Ok(driver) = self.driver(py) {
            driver.detach();
        }
    }

    /// Returns whether the loop is attached to Qt.
    fn _is_attached(&self, py: Python<'_>) -> bool {
        self.driver(py).is_ok_and(|driver| driver.is_attached())
    }

    /// Returns whether a run is under way.
    fn _is_run(&self, py: Python<'_>) -> bool {
        self.driver(py).is_ok_and(|driver| driver.is_run())
    }

    /// Begins a run on this thread, after _attach(). `host_loop` is the Qt loop that _exec() will
    /// run: "application", "thread" or "nested".
    fn _begin_run(&self, py: Python<'_>, host_loop: &str) -> PyResult<()> {
        let host_loop = match host_loop {
            "application" => HostLoop::Application,
            "thread" => HostLoop::Thread,
            "nested" => HostLoop::Nested(Rc::new(NestedLoop::new())),
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

    /// Ends the run.
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

    /// Runs the Qt loop that _begin_run() named, and returns its exit code.
    fn _exec(&self, py: Python<'_>) -> PyResult<i32> {
        let host_loop = self.state(py).host_loop.borrow().clone();
        let host_loop =
            host_loop.ok_or_else(|| PyRuntimeError::new_err("_exec() before _begin_run()"))?;
        // Borrowed: an `Rc` must not be cloned or dropped without the GIL.
        Ok(gil::release(py, || match &host_loop {
            HostLoop::Application => app::exec(),
            HostLoop::Thread => app::thread_exec(),
            HostLoop::Nested(nested_loop) => nested_loop.exec(),
        }))
    }

    /// Pauses or resumes the outermost turns of the run, for a Qt loop that is probably about to
    /// quit.
    fn _set_paused(&self, py: Python<'_>, paused: bool) {
        if let Ok(driver) = self.driver(py) {
            driver.set_paused(paused);
        }
    }

    /// Waits in a nested Qt loop until its exit() is called or this loop stops.
    fn _exec_nested(
        &self,
        py: Python<'_>,
        nested_loop: &Bound<'_, super::nested_loop::NestedLoop>,
    ) {
        let state = self.state(py);
        let nested_loop = nested_loop.borrow().share();
        state
            .nested_loops
            .borrow_mut()
            .push(Rc::clone(&nested_loop));
        let wait = || gil::release(py, || nested_loop.exec_until_exit());
        let _ = match state.driver() {
            Ok(driver) => driver.hold(wait),
            Err(_) => wait(),
        };
        state
            .nested_loops
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, &nested_loop));
    }

    /// Runs one batch, the handles that are ready now, without Qt.
    fn _run_batch(slf: &Bound<'_, Self>) -> PyResult<()> {
        let state = slf.get().state(slf.py());
        let turn = state.driver()?.batch();
        state.turn(slf.as_any(), turn);
        Ok(())
    }

    /// Replaces the poller in a forked child, which shares it with its parent.
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

    /// Returns how many turns are under way, one inside the other.
    fn _depth(&self, py: Python<'_>) -> usize {
        self.driver(py).map_or(0, |driver| driver.depth())
    }

    /// Returns how many turns have begun inside handles so far. A Qt loop that a handle runs has at
    /// least one, because the host is armed before the first handle of a turn.
    fn _nested_turns(&self, py: Python<'_>) -> u64 {
        self.state(py).nested_turns.get()
    }

    /// Returns whether stop(), and not Qt, has ended the Qt loop.
    fn _has_exited(&self, py: Python<'_>) -> bool {
        self.driver(py).is_ok_and(|driver| driver.has_exited())
    }

    /// Returns whether an exception has stopped the loop and has not been raised yet.
    fn _has_fatal(&self, py: Python<'_>) -> bool {
        self.state(py).fatal.borrow().is_some()
    }

    /// Returns the exception that has stopped the loop, and clears it.
    fn _take_fatal<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let fatal = self.state(py).fatal.take()?;
        Some(fatal.into_value(py).into_bound(py).into_any())
    }

    /// Stops the loop; run_forever() raises this exception.
    fn _fail(slf: &Bound<'_, Self>, error: &Bound<'_, PyAny>) {
        let error = PyErr::from_value(error.clone());
        slf.get().state(slf.py()).fail(slf.as_any(), error);
    }

    /// Watches one direction of a descriptor until _unwatch(), or for one event with `once`.
    /// Cancels the handle that it replaces, and returns the new one.
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
        let direction = direction(writer);
        let args: Vec<*mut ffi::PyObject> =
            args.iter_borrowed().map(|each| each.as_ptr()).collect();
        let call = Call {
            event_loop: slf.as_ptr(),
            callback: callback.as_ptr(),
            args: &args,
            context: context.map_or(ptr::null_mut(), Bound::as_ptr),
            debug: state.debug.get(),
        };
        // SAFETY: this function's arguments keep all objects alive during the call.
        let (handle, replaced) = unsafe {
            if once {
                let (handle, job) = call.soon(py)?;
                (handle, driver.watch_once(fd, direction, job))
            } else {
                let (handle, job) = call.watch(py, fd, direction)?;
                (handle, driver.watch(fd, direction, job))
            }
        };
        for old in replaced.map_err(os_error)?.into_iter().flatten() {
            old.object.call_method0(py, intern!(py, "cancel"))?;
        }
        Ok(handle)
    }

    /// Ends a watch and cancels its handle; with `handle` only if it is that of the watch. Returns
    /// whether it did.
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
        let Some(old) = driver.unwatch(fd, direction(writer), is_mine) else {
            return Ok(false);
        };
        old.object.call_method0(py, intern!(py, "cancel"))?;
        Ok(true)
    }

    /// Returns whether one direction of a descriptor is watched.
    fn _is_watched(&self, py: Python<'_>, fd: RawFd, writer: bool) -> bool {
        self.driver(py)
            .is_ok_and(|driver| driver.is_watched(fd, direction(writer)))
    }

    /// Queues a handle that asyncio's Python code has made, for example for a signal handler.
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
