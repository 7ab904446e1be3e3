//! The file descriptor of a transport: its registration, its protocol and its flow control.
//!
//! The base of `Stream` and `Datagrams`. Code that runs once per packet is native. Code that runs
//! once per connection, from `connection_made` to `connection_lost`, is Python, in the transport
//! that owns the endpoint.

use std::cell::{Cell, RefCell};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::context::{run_in, usable};
use super::error::os_error;
use super::gil::GilProtected;
use super::job::{Job, Kind, direction};
use super::state::{EventLoop, State};
use crate::reactor::Direction;

/// The phase of a transport's life, which only advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// `close()` was called; queued data is still written.
    Closing,
    /// `connection_lost` is queued or was called; writes are dropped.
    Lost,
}

pub(super) struct EndpointState {
    fd: RawFd,
    /// The loop's state. This is not a Python reference, so `__traverse__` does not visit it.
    pub(super) state: Rc<State>,
    /// The `contextvars` context of the protocol's methods for each direction. For reads it is
    /// captured when reading starts or resumes, for writes when data is queued. In asyncio the
    /// handle does this.
    contexts: RefCell<[Option<Py<PyAny>>; 2]>,
    /// The context of the connection, if the transport was given one; both directions then run in
    /// it.
    given: RefCell<Option<Py<PyAny>>>,
    /// `None` after `connection_lost`.
    protocol: RefCell<Option<Py<PyAny>>>,
    /// The protocol is a BufferedProtocol, which provides the buffer to read into.
    pub(super) is_buffered: Cell<bool>,
    /// `pause_reading()` was called, and `resume_reading()` not yet.
    pub(super) is_paused: Cell<bool>,
    /// The descriptor is registered for reading. Python's `is_reading()` is another state: neither
    /// paused nor closing.
    pub(super) is_reading: Cell<bool>,
    /// Counts how often reading has started. If a callback stops and restarts reading, the read
    /// under way finds another number afterwards, and leaves the re-arming to the new registration.
    readings: Cell<u32>,
    /// The number of bytes that wait to be written.
    pub(super) queued: Cell<usize>,
    /// (high, low): writing is paused above high, and resumed at low or below.
    pub(super) limits: Cell<(usize, usize)>,
    pub(super) has_paused_protocol: Cell<bool>,
    phase: Cell<Phase>,
    /// The number of writes that may still be dropped without a warning.
    pub(super) connlost_log_threshold: Cell<u32>,
}

/// The base class of Stream and Datagrams: one file descriptor of a transport.
#[pyclass(subclass, frozen, module = "qtloop._native")]
pub(super) struct Endpoint(GilProtected<EndpointState>);

#[pymethods]
impl Endpoint {
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let endpoint = self.0.get_in_traverse();
        // No cell is borrowed while Python code runs, and the collector runs only then. Queued data
        // is `bytes`, which refer to no other object.
        if let Ok(contexts) = endpoint.contexts.try_borrow() {
            for context in contexts.iter().flatten() {
                visit.call(context)?;
            }
        }
        if let Ok(given) = endpoint.given.try_borrow()
            && let Some(given) = &*given
        {
            visit.call(given)?;
        }
        if let Ok(protocol) = endpoint.protocol.try_borrow()
            && let Some(protocol) = &*protocol
        {
            visit.call(protocol)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let endpoint = self.0.get_in_traverse();
        let (protocol, contexts) = (endpoint.protocol.take(), endpoint.contexts.take());
        let given = endpoint.given.take();
        drop((protocol, contexts, given));
    }

    /// Replaces the protocol; `buffered` says whether it is a BufferedProtocol.
    fn set_protocol(&self, py: Python<'_>, protocol: Py<PyAny>, buffered: bool) {
        let endpoint = self.get(py);
        endpoint.is_buffered.set(buffered);
        let before = endpoint.protocol.replace(Some(protocol));
        drop(before);
    }

    /// Starts reading, unless it is paused or the transport is closing.
    fn start(&self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let endpoint = self.get(transport.py());
        if endpoint.is_closing() || endpoint.is_paused.get() {
            return Ok(());
        }
        endpoint.watch(transport, Direction::Read)
    }

    /// Stops reading.
    fn stop(&self, transport: &Bound<'_, PyAny>) {
        self.get(transport.py()).unwatch_read(transport);
    }

    /// Returns whether the descriptor is registered for reading.
    fn is_watched(&self, py: Python<'_>) -> bool {
        self.get(py).is_reading.get()
    }

    /// Returns whether reading is not paused, and the transport is not closing.
    fn is_reading(&self, py: Python<'_>) -> bool {
        let endpoint = self.get(py);
        !endpoint.is_closing() && !endpoint.is_paused.get()
    }

    /// Pauses reading. False if it is paused already, or the transport is closing.
    fn pause(&self, transport: &Bound<'_, PyAny>) -> bool {
        let endpoint = self.get(transport.py());
        if endpoint.is_closing() || endpoint.is_paused.replace(true) {
            return false;
        }
        // Deregister at once: the registration would keep a transport alive that the program has
        // dropped.
        endpoint.unwatch_read(transport);
        true
    }

    /// Resumes reading. False if it is not paused, or the transport is closing.
    fn resume(&self, transport: &Bound<'_, PyAny>) -> PyResult<bool> {
        let endpoint = self.get(transport.py());
        if endpoint.is_closing() || !endpoint.is_paused.replace(false) {
            return Ok(false);
        }
        // Registering again reports at once whether data has arrived during the pause.
        endpoint.watch(transport, Direction::Read)?;
        Ok(true)
    }

    /// Returns the number of bytes that wait to be written.
    fn buffered(&self, py: Python<'_>) -> usize {
        self.get(py).queued.get()
    }

    /// Returns (low, high): writing is paused above high, and resumed at low or below.
    fn limits(&self, py: Python<'_>) -> (usize, usize) {
        let (high, low) = self.get(py).limits.get();
        (low, high)
    }

    fn set_limits(&self, transport: &Bound<'_, PyAny>, high: usize, low: usize) -> PyResult<()> {
        let endpoint = self.get(transport.py());
        endpoint.limits.set((high, low));
        endpoint.pause_protocol(transport)
    }

    /// Returns whether pause_writing() was called and resume_writing() not yet.
    fn has_paused_protocol(&self, py: Python<'_>) -> bool {
        self.get(py).has_paused_protocol.get()
    }

    /// Whether the transport is closed, or will be when all data is written.
    #[getter]
    fn closing(&self, py: Python<'_>) -> bool {
        self.get(py).is_closing()
    }

    /// Whether connection_lost() is queued or was called; writes are dropped.
    #[getter]
    fn lost(&self, py: Python<'_>) -> bool {
        self.get(py).is_lost()
    }

    /// Closes the transport when all data is written. Stops reading, unless `keep_reading`: a write
    /// pipe reads until then, to detect that its reader has closed it.
    #[pyo3(signature = (transport, keep_reading=false))]
    fn close(&self, transport: &Bound<'_, PyAny>, keep_reading: bool) -> PyResult<()> {
        let endpoint = self.get(transport.py());
        if endpoint.is_closing() {
            return Ok(());
        }
        endpoint.phase.set(Phase::Closing);
        if endpoint.queued.get() == 0 {
            return endpoint.lose(transport, transport.py().None());
        }
        if !keep_reading {
            endpoint.unwatch_read(transport);
        }
        Ok(())
    }

    /// Stops reading and queues connection_lost(error), once.
    fn lose(&self, transport: &Bound<'_, PyAny>, error: Py<PyAny>) -> PyResult<()> {
        self.get(transport.py()).lose(transport, error)
    }

    /// Stops reading and marks the transport as lost, for a caller that calls connection_lost()
    /// itself.
    fn mark_lost(&self, transport: &Bound<'_, PyAny>) {
        self.get(transport.py()).mark_lost(transport);
    }

    /// Drops the protocol: none of its methods is called any more.
    fn detach(&self, py: Python<'_>) {
        let protocol = self.get(py).protocol.take();
        drop(protocol);
    }

    /// Returns the context of the protocol's methods for a direction; a copy if it is in use.
    fn context<'py>(&self, py: Python<'py>, writer: bool) -> PyResult<Option<Bound<'py, PyAny>>> {
        let context = self.get(py).context(py, direction(writer));
        context.map(|context| usable(&context)).transpose()
    }

    /// Calls `method`, which calls the protocol, in the context of the connection; without one, in
    /// the current context. If the context is in use, as inside a method of the protocol, it is
    /// copied.
    #[pyo3(signature = (method, *args))]
    fn call(
        &self,
        py: Python<'_>,
        method: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        let call = || method.call1(args).map(drop);
        let given = self.get(py).given(py);
        match given {
            Some(given) => run_in(given, call),
            None => call(),
        }
    }
}

impl Endpoint {
    /// Makes an endpoint of a descriptor. After `connlost_log_threshold` dropped writes, each
    /// further one is logged. `context` is the context of the connection, if it has one.
    pub(super) fn new(
        event_loop: &Bound<'_, EventLoop>,
        fd: RawFd,
        connlost_log_threshold: u32,
        context: Option<Py<PyAny>>,
    ) -> Endpoint {
        Endpoint(GilProtected::new(EndpointState {
            fd,
            state: Rc::clone(event_loop.get().state(event_loop.py())),
            contexts: RefCell::default(),
            given: RefCell::new(context),
            protocol: RefCell::default(),
            is_buffered: Cell::new(false),
            is_paused: Cell::new(false),
            is_reading: Cell::new(false),
            readings: Cell::new(0),
            queued: Cell::new(0),
            limits: Cell::new((64 * 1024, 16 * 1024)),
            has_paused_protocol: Cell::new(false),
            phase: Cell::new(Phase::Open),
            connlost_log_threshold: Cell::new(connlost_log_threshold),
        }))
    }

    #[inline]
    pub(super) fn get(&self, py: Python<'_>) -> &EndpointState {
        self.0.get(py)
    }

    /// Runs `work` in the context of a direction.
    pub(super) fn run(
        &self,
        py: Python<'_>,
        direction: Direction,
        work: impl FnOnce() -> PyResult<()>,
    ) -> PyResult<()> {
        match self.get(py).context(py, direction) {
            Some(context) => run_in(context, work),
            None => Ok(()), // the garbage collector has cleared it
        }
    }
}

impl EndpointState {
    pub(super) fn descriptor(&self) -> RawFd {
        self.fd
    }

    pub(super) fn protocol<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let protocol = self.protocol.borrow();
        protocol.as_ref().map(|protocol| protocol.bind(py).clone())
    }

    /// Returns the context of the protocol's methods for a direction.
    fn context<'py>(&self, py: Python<'py>, direction: Direction) -> Option<Bound<'py, PyAny>> {
        let contexts = self.contexts.borrow();
        let context = contexts[direction as usize].as_ref()?;
        Some(context.bind(py).clone())
    }

    fn given<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let given = self.given.borrow();
        given.as_ref().map(|given| given.bind(py).clone())
    }

    fn remember_context(&self, py: Python<'_>, direction: Direction) -> PyResult<()> {
        let given = self.given(py).map(Bound::unbind);
        let context = match given {
            Some(given) => given,
            // SAFETY: the GIL is held.
            None => unsafe {
                Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())?.unbind()
            },
        };
        let before = self.contexts.borrow_mut()[direction as usize].replace(context);
        drop(before);
        Ok(())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the transport reaches `Lost` and drops the protocol before it closes the
        // descriptor. One of the two is checked before each use, and again after any Python code
        // that runs between the check and the use.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    // The end

    pub(super) fn is_closing(&self) -> bool {
        self.phase.get() >= Phase::Closing
    }

    pub(super) fn is_lost(&self) -> bool {
        self.phase.get() == Phase::Lost
    }

    fn mark_lost(&self, transport: &Bound<'_, PyAny>) {
        self.phase.set(Phase::Lost);
        self.unwatch_read(transport);
    }

    /// Stops reading and queues `connection_lost(error)`, once.
    fn lose(&self, transport: &Bound<'_, PyAny>, error: Py<PyAny>) -> PyResult<()> {
        if self.is_lost() {
            return Ok(());
        }
        self.mark_lost(transport);
        let py = transport.py();
        let callback = transport.getattr(intern!(py, "_call_connection_lost"))?;
        let event_loop = transport.getattr(intern!(py, "_loop"))?;
        event_loop
            .call_method1(intern!(py, "call_soon"), (callback, error))
            .map(drop)
    }

    // Registration

    /// Registers the transport's job for a direction, edge-triggered, unless it is registered
    /// already.
    pub(super) fn watch(&self, transport: &Bound<'_, PyAny>, direction: Direction) -> PyResult<()> {
        let driver = self.state.driver()?;
        let is_watched = match direction {
            Direction::Read => self.is_reading.replace(true),
            Direction::Write => driver.is_watched(self.fd, direction),
        };
        if !is_watched {
            if direction == Direction::Read {
                self.readings.set(self.readings.get().wrapping_add(1));
            }
            self.remember_context(transport.py(), direction)?;
            let job = Job::new(transport, Kind::Transport(direction), driver.priority());
            let before = driver
                .watch_edges(self.fd, direction, job)
                .map_err(os_error)?;
            drop(before);
        }
        Ok(())
    }

    pub(super) fn unwatch_read(&self, transport: &Bound<'_, PyAny>) {
        self.is_reading.set(false);
        self.unwatch(transport, Direction::Read);
    }

    pub(super) fn unwatch_write(&self, transport: &Bound<'_, PyAny>) {
        self.unwatch(transport, Direction::Write);
    }

    fn unwatch(&self, transport: &Bound<'_, PyAny>, direction: Direction) {
        // A closed loop watches nothing. The job is compared because the descriptor may be closed
        // after a callback that has opened a dialog, and its number may belong to another
        // transport.
        if let Ok(driver) = self.state.driver() {
            drop(driver.unwatch(self.fd, direction, |job| job.object.is(transport)));
        }
    }

    pub(super) fn rearm(&self, transport: &Bound<'_, PyAny>, direction: Direction) {
        if let Ok(driver) = self.state.driver() {
            driver.rearm(self.fd, direction, |job| job.object.is(transport));
        }
    }

    /// Queues the job of a direction again, behind those that are ready.
    pub(super) fn repeat(
        &self,
        transport: &Bound<'_, PyAny>,
        direction: Direction,
    ) -> PyResult<()> {
        let priority = self.state.running_priority();
        self.state
            .push_here(Job::new(transport, Kind::Transport(direction), priority))
    }

    pub(super) fn is_hung_up(&self) -> bool {
        self.state
            .driver()
            .is_ok_and(|driver| driver.is_hung_up(self.fd))
    }

    /// Calls `read` if the transport is reading, then queues or re-arms the job. `read` returns
    /// whether there may be more.
    pub(super) fn read_ready(
        &self,
        transport: &Bound<'_, PyAny>,
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<bool>,
    ) -> PyResult<()> {
        if !self.is_reading.get() || self.is_lost() {
            return Ok(());
        }
        let Some(protocol) = self.protocol(transport.py()) else {
            return Ok(());
        };
        let reading = self.readings.get();
        let result = read(&protocol);
        if !self.is_reading.get() || self.readings.get() != reading {
            // A callback has closed or paused the transport. If it has resumed reading, the
            // descriptor is registered again.
            return result.map(drop);
        }
        // If a callback raised and the connection stays open, its data is consumed, and there may
        // be more.
        if !*result.as_ref().unwrap_or(&true) {
            self.rearm(transport, Direction::Read);
        } else {
            // Behind the jobs that are ready, so that one connection does not delay others.
            self.repeat(transport, Direction::Read)?;
        }
        result.map(drop)
    }
}
