//! The methods of the native half of `qtloop.QEventLoop`.
//!
//! The state is exposed under asyncio's own attribute names (`_debug`, `_closed`, `_thread_id`,
//! `_stopping`). So asyncio's Python code, which the Python half inherits, reads and writes it
//! unchanged.
//!
//! The file is long because PyO3 has one block of methods per class.

use std::cell::{Cell, OnceCell, RefCell};
use std::os::fd::RawFd;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::error::os_error;
use super::gil::{self, GilProtected, GilSharing};
use super::handle::{self, Call};
use super::job::{Job, Kind, direction};
use super::priority::{self, TaskPriorities};
use super::state::{EventLoop, State, this_thread};
use crate::driver::{Driver, Wakeup};
use crate::qt::{HostLoop, activity};
use crate::reactor::Priority;

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
            priorities: TaskPriorities::default(),
            observed: RefCell::new(None),
            gil_sharing: GilSharing::new(),
            is_forked: Cell::new(false),
            virtual_time: OnceCell::new(),
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
        state.priorities.traverse(&visit)?;
        if let Ok(observed) = state.observed.try_borrow()
            && let Some(observed) = &*observed
        {
            observed.traverse(&visit)?;
        }
        result
    }

    fn __clear__(&self) {
        let state = self.0.get_in_traverse();
        let driver = state.driver.take();
        let deferred = state.deferred.take();
        let factory = state.task_factory.take();
        let priorities = state.priorities.take();
        let observed = state.observed.take();
        drop((driver, deferred, factory, priorities, observed));
    }

    /// Returns time.monotonic(), in seconds, or the time of the virtual clock.
    fn time(&self, py: Python<'_>) -> f64 {
        self.state(py).now().as_secs_f64()
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
            let priorities = self.state(py).priorities.take();
            drop((driver, deferred, priorities));
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
            driver.cancel_stop();
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
    /// 0.0001, which is invisible. The wait is within the turn_budget, and a loop whose events are
    /// further apart does not wait. 0 switches it off.
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

    /// Begins a run on this thread, after _attach(): of a nested Qt loop if `nested` or if a Qt
    /// loop runs already, else of the outermost one. Returns whether that is the application's.
    fn _begin_run(&self, py: Python<'_>, nested: bool) -> PyResult<bool> {
        let host_loop = Rc::new(if nested {
            HostLoop::nested()
        } else {
            HostLoop::here()
        });
        let is_application = matches!(*host_loop, HostLoop::Application(_));
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
        Ok(is_application)
    }

    /// Ends the run.
    fn _end_run(&self, py: Python<'_>) {
        let state = self.state(py);
        if let Ok(driver) = state.driver() {
            driver.end_run();
        }
        activity::loop_returned(); // it may have been the binding's exec()
        let host_loop = state.host_loop.take();
        drop(host_loop);
    }

    /// Runs the Qt loop that _begin_run() named, and returns its exit code.
    fn _exec(&self, py: Python<'_>) -> PyResult<i32> {
        let host_loop = self.state(py).host_loop.borrow().clone();
        let host_loop =
            host_loop.ok_or_else(|| PyRuntimeError::new_err("_exec() before _begin_run()"))?;
        // Borrowed: an `Rc` must not be cloned or dropped without the GIL.
        let host_loop = &*host_loop;
        Ok(gil::release(py, || host_loop.exec()))
    }

    /// Pauses or resumes the outermost turns of the run, for a Qt loop that is probably about to
    /// quit.
    fn _set_paused(&self, py: Python<'_>, paused: bool) {
        if let Ok(driver) = self.driver(py) {
            driver.set_paused(paused);
        }
    }

    /// Waits in a nested Qt loop until its exit() is called or this loop stops. Without `until_exit`,
    /// a quit of the application ends the wait, too, unless it began before.
    fn _exec_nested(
        &self,
        py: Python<'_>,
        nested_loop: &Bound<'_, super::nested_loop::NestedLoop>,
        until_exit: bool,
    ) {
        let state = self.state(py);
        let nested_loop = nested_loop.borrow().share();
        state
            .nested_loops
            .borrow_mut()
            .push(Rc::clone(&nested_loop));
        let wait = || {
            gil::release(py, || {
                if until_exit {
                    nested_loop.exec_until_exit()
                } else {
                    nested_loop.exec()
                }
            })
        };
        let _ = match state.driver() {
            Ok(driver) => driver.in_nested_wait(wait),
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
    /// Cancels the handle that it replaces, and returns the new one. An `urgent` callback runs with
    /// the highest priority in use.
    #[allow(clippy::too_many_arguments)] // they are those of Python
    #[pyo3(signature = (fd, writer, once, callback, args, context=None, urgent=false))]
    fn _watch<'py>(
        slf: &Bound<'py, Self>,
        fd: RawFd,
        writer: bool,
        once: bool,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<&Bound<'py, PyAny>>,
        urgent: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let state = slf.get().state(py);
        let driver = state.driver()?;
        let direction = direction(writer);
        let priority = if urgent {
            Priority::NORMAL
        } else {
            driver.priority()
        };
        let args: Vec<*mut ffi::PyObject> =
            args.iter_borrowed().map(|each| each.as_ptr()).collect();
        let call = Call {
            event_loop: slf.as_ptr(),
            callback: callback.as_ptr(),
            args: &args,
            context: context.map_or(ptr::null_mut(), Bound::as_ptr),
            debug: state.debug.get(),
            priority,
        };
        // SAFETY: this function's arguments keep all objects alive during the call.
        let (handle, replaced) = unsafe {
            if once {
                let (handle, job) = call.soon(py)?;
                (handle, driver.watch_once(fd, direction, job.urgent(urgent)))
            } else {
                let (handle, job) = call.watch(py, fd, direction)?;
                (handle, driver.watch(fd, direction, job.urgent(urgent)))
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

    /// Queues a handle that asyncio's Python code has made, for example for a signal handler. It
    /// runs with the highest priority in use; `priority` is that of what it schedules.
    #[pyo3(signature = (handle, priority=0))]
    fn _add_callback(
        &self,
        py: Python<'_>,
        handle: &Bound<'_, PyAny>,
        priority: i8,
    ) -> PyResult<()> {
        if !handle::is_handle(handle)? {
            return Err(PyTypeError::new_err("an asyncio.Handle is required"));
        }
        let job = Job::new(
            handle,
            Kind::Plain,
            Priority::new(priority).unwrap_or_default(),
        )
        .urgent(true);
        if job.is_cancelled(py) {
            Ok(())
        } else {
            self.state(py).push(py, job)
        }
    }

    /// Tells the instruments about a task that create_task() has not made.
    fn _note_task(&self, task: &Bound<'_, PyAny>) {
        self.state(task.py()).note_task(task);
    }

    /// Returns the priority of the running callback.
    fn _running_priority(&self, py: Python<'_>) -> i8 {
        self.state(py).running_priority().get()
    }

    /// Returns whether a priority is in use, or is that of the running callback.
    fn _uses_priorities(&self, py: Python<'_>) -> bool {
        let is_used = |driver: Rc<Driver<Job>>| {
            driver.has_priorities() || driver.priority() != Priority::NORMAL
        };
        self.driver(py).is_ok_and(is_used)
    }

    /// Makes a task by `make(*args)`, with a priority or, for None, that of the running callback.
    #[pyo3(signature = (priority, make, *args))]
    fn _with_priority<'py>(
        &self,
        priority: Option<&Bound<'py, PyAny>>,
        make: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let priority = priority.map(priority::read).transpose()?;
        self.state(make.py())
            .with_priority(priority, || make.call1(args))
    }
}
