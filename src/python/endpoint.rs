//! One descriptor that a transport owns: who waits for it, who is told, and how far it may run ahead.
//!
//! What streams and datagrams share. What happens once per packet is native; what happens once per connection, from
//! `connection_made` to `connection_lost`, is in Python, in the transport that owns the endpoint.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::event_loop::{EventLoop, State, is_fatal, os_error};
use super::gil::Guarded;
use super::job::{Job, Kind};
use crate::reactor::Side;

/// asyncio's: of how many dropped writes nobody is told.
const QUIET_WRITES: u32 = 4;

/// Whom an endpoint works for.
struct Links {
    transport: Py<PyAny>,
    protocol: Py<PyAny>,
}

pub(super) struct Inner {
    fd: RawFd,
    /// The loop's; no reference that the collector would have to know of.
    pub(super) state: Rc<State>,
    kind: fn(Side) -> Kind,
    /// What the protocol's methods run in.
    context: Py<PyAny>,
    /// `None` after `connection_lost`.
    links: RefCell<Option<Links>>,
    /// The protocol has buffers of its own.
    pub(super) is_buffered: Cell<bool>,
    pub(super) is_paused: Cell<bool>,
    pub(super) is_reading: Cell<bool>,
    /// A read was put off that would have found something.
    has_more: Cell<bool>,
    /// How many bytes wait to be written.
    pub(super) queued: Cell<usize>,
    /// The protocol is paused above the first, and goes on at the second or below.
    limits: Cell<(usize, usize)>,
    has_paused_protocol: Cell<bool>,
    pub(super) is_closing: Cell<bool>,
    /// `connection_lost` is certain.
    pub(super) is_lost: Cell<bool>,
    /// How many writes were dropped because of that.
    dropped: Cell<u32>,
}

/// What a transport's streams and datagrams share. Not for use by itself.
#[pyclass(subclass, frozen, module = "qtloop._native")]
pub(super) struct Endpoint(Guarded<Inner>);

#[pymethods]
impl Endpoint {
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let end = self.0.get_in_traverse();
        visit.call(&end.context)?;
        // No cell is borrowed while Python code runs, and the collector runs only then. What waits to be written is
        // bytes, which refer to nothing.
        if let Ok(links) = end.links.try_borrow()
            && let Some(links) = &*links
        {
            visit.call(&links.transport)?;
            visit.call(&links.protocol)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let links = self.0.get_in_traverse().links.take();
        drop(links);
    }

    /// Have another protocol called from now on; `buffered` says whether it is a BufferedProtocol.
    fn set_protocol(&self, py: Python<'_>, protocol: Py<PyAny>, buffered: bool) {
        let end = self.get(py);
        end.is_buffered.set(buffered);
        let before = match &mut *end.links.borrow_mut() {
            Some(links) => std::mem::replace(&mut links.protocol, protocol),
            None => protocol,
        };
        drop(before);
    }

    /// Begin to read, unless it was paused.
    fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let end = slf.get().get(slf.py());
        if end.is_closing.get() || end.is_paused.get() {
            return Ok(());
        }
        end.watch(slf, Side::Read)
    }

    /// Read no more, for ever.
    fn stop(&self, py: Python<'_>) {
        self.get(py).unwatch_read();
    }

    /// Whether the reader waits in the poller.
    fn is_watched(&self, py: Python<'_>) -> bool {
        let end = self.get(py);
        end.is_reading.get() && !end.is_paused.get()
    }

    /// Whether the protocol gets what comes.
    fn is_reading(&self, py: Python<'_>) -> bool {
        let end = self.get(py);
        !end.is_closing.get() && !end.is_paused.get()
    }

    /// Returns whether it read.
    fn pause(&self, py: Python<'_>) -> bool {
        let end = self.get(py);
        // The descriptor stays in the poller: most pauses are over before more has come.
        !end.is_closing.get() && !end.is_paused.replace(true)
    }

    /// Returns whether it was paused.
    fn resume(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let end = slf.get().get(slf.py());
        if end.is_closing.get() || !end.is_paused.replace(false) {
            return Ok(false);
        }
        if !end.is_reading.get() {
            end.watch(slf, Side::Read)?;
        } else if end.has_more.take() {
            end.again(slf, Side::Read)?;
        }
        Ok(true)
    }

    /// How many bytes wait to be written.
    fn buffered(&self, py: Python<'_>) -> usize {
        self.get(py).queued.get()
    }

    /// (low, high): the protocol is paused above high, and goes on at low or below.
    fn limits(&self, py: Python<'_>) -> (usize, usize) {
        let (high, low) = self.get(py).limits.get();
        (low, high)
    }

    fn set_limits(&self, py: Python<'_>, high: usize, low: usize) -> PyResult<()> {
        let end = self.get(py);
        end.limits.set((high, low));
        end.pause_protocol(py)
    }

    /// Whether pause_writing() was called, and resume_writing() was not.
    fn has_paused_protocol(&self, py: Python<'_>) -> bool {
        self.get(py).has_paused_protocol.get()
    }

    /// Whether the transport is closed, or will be when all is written.
    #[getter]
    fn closing(&self, py: Python<'_>) -> bool {
        self.get(py).is_closing.get()
    }

    #[setter]
    fn set_closing(&self, py: Python<'_>, closing: bool) {
        self.get(py).is_closing.set(closing);
    }

    /// Whether connection_lost() is certain, and what is written is dropped.
    #[getter]
    fn lost(&self, py: Python<'_>) -> bool {
        self.get(py).is_lost.get()
    }

    #[setter]
    fn set_lost(&self, py: Python<'_>, lost: bool) {
        self.get(py).is_lost.set(lost);
    }

    /// Let go of transport and protocol: no method of theirs is called any more.
    fn detach(&self, py: Python<'_>) {
        let links = self.get(py).links.take();
        drop(links);
    }

    /// What the protocol's methods run in.
    #[getter]
    fn context(&self, py: Python<'_>) -> Py<PyAny> {
        self.get(py).context.clone_ref(py)
    }
}

impl Endpoint {
    /// An endpoint of the descriptor that `transport` owns. `kind` makes its jobs.
    pub(super) fn new(
        event_loop: &Bound<'_, EventLoop>,
        kind: fn(Side) -> Kind,
        transport: Py<PyAny>,
        fd: RawFd,
        protocol: Py<PyAny>,
    ) -> PyResult<Endpoint> {
        let py = event_loop.py();
        // SAFETY: the lock is held.
        let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? };
        Ok(Endpoint(Guarded::new(Inner {
            fd,
            state: Rc::clone(event_loop.get().state(py)),
            kind,
            context: context.unbind(),
            links: RefCell::new(Some(Links {
                transport,
                protocol,
            })),
            is_buffered: Cell::new(false),
            is_paused: Cell::new(false),
            is_reading: Cell::new(false),
            has_more: Cell::new(false),
            queued: Cell::new(0),
            limits: Cell::new((64 * 1024, 16 * 1024)),
            has_paused_protocol: Cell::new(false),
            is_closing: Cell::new(false),
            is_lost: Cell::new(false),
            dropped: Cell::new(0),
        })))
    }

    #[inline]
    pub(super) fn get(&self, py: Python<'_>) -> &Inner {
        self.0.get(py)
    }

    /// Runs `work` in the endpoint's context.
    pub(super) fn run(&self, py: Python<'_>, work: impl FnOnce() -> PyResult<()>) -> PyResult<()> {
        let mut context = self.get(py).context.clone_ref(py).into_bound(py);
        // SAFETY: it is a context, and the lock is held.
        unsafe {
            if ffi::PyContext_Enter(context.as_ptr()) < 0 {
                // A method of the protocol further out has opened a dialog; the other side goes on in a copy.
                ffi::PyErr_Clear();
                context = Bound::from_owned_ptr_or_err(py, ffi::PyContext_Copy(context.as_ptr()))?;
                if ffi::PyContext_Enter(context.as_ptr()) < 0 {
                    return Err(PyErr::fetch(py));
                }
            }
            let result = work();
            ffi::PyContext_Exit(context.as_ptr());
            result
        }
    }
}

impl Inner {
    pub(super) fn transport(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let links = self.links.borrow();
        links.as_ref().map(|links| links.transport.clone_ref(py))
    }

    pub(super) fn protocol<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let links = self.links.borrow();
        links.as_ref().map(|links| links.protocol.bind(py).clone())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the transport closes the descriptor after it has taken the endpoint off the poller, and never reads or
        // writes by it after that.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    // Waiting

    pub(super) fn watch(&self, slf: &Bound<'_, Endpoint>, side: Side) -> PyResult<()> {
        let driver = self.state.driver()?;
        let is_watched = match side {
            Side::Read => self.is_reading.replace(true),
            Side::Write => driver.is_watched(self.fd, side),
        };
        if !is_watched {
            let job = Job::new(slf, (self.kind)(side));
            let before = driver.watch_edges(self.fd, side, job).map_err(os_error)?;
            drop(before);
        }
        Ok(())
    }

    pub(super) fn unwatch_read(&self) {
        self.is_reading.set(false);
        self.unwatch(Side::Read);
    }

    pub(super) fn unwatch_write(&self) {
        self.unwatch(Side::Write);
    }

    fn unwatch(&self, side: Side) {
        // The loop may be closed, and then nothing is watched.
        if let Ok(driver) = self.state.driver() {
            drop(driver.unwatch(self.fd, side));
        }
    }

    pub(super) fn rearm(&self, slf: &Bound<'_, Endpoint>, side: Side) {
        if let Ok(driver) = self.state.driver() {
            driver.rearm(self.fd, side, |job| job.object.is(slf));
        }
    }

    /// Has a side's job run once more, after others.
    pub(super) fn again(&self, slf: &Bound<'_, Endpoint>, side: Side) -> PyResult<()> {
        self.state.push_here(Job::new(slf, (self.kind)(side)))
    }

    pub(super) fn is_hung_up(&self) -> bool {
        self.state
            .driver()
            .is_ok_and(|driver| driver.is_hung_up(self.fd))
    }

    /// Reads by `read`, if reading is what is wanted now; it returns whether there may be more.
    pub(super) fn read_ready(
        &self,
        slf: &Bound<'_, Endpoint>,
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<bool>,
    ) -> PyResult<()> {
        if !self.is_reading.get() || self.is_lost.get() {
            return Ok(());
        }
        if self.is_paused.get() {
            // It is a long pause. To come back to the poller costs as much as to leave it, and leads to another look.
            self.unwatch_read();
            return Ok(());
        }
        let Some(protocol) = self.protocol(slf.py()) else {
            return Ok(());
        };
        let result = read(&protocol);
        if !self.is_reading.get() {
            // Closed meanwhile.
            return result.map(drop);
        }
        // What went wrong in a callback without ending the connection has consumed what it was told.
        if !*result.as_ref().unwrap_or(&true) {
            self.rearm(slf, Side::Read);
        } else if self.is_paused.get() {
            self.has_more.set(true);
        } else {
            // Others come first.
            self.again(slf, Side::Read)?;
        }
        result.map(drop)
    }

    // Writing

    /// Whether what is written can go anywhere; if not, it is dropped, and after the first few with a warning.
    pub(super) fn is_connected(&self, py: Python<'_>, warning: &str) -> PyResult<bool> {
        if !self.is_lost.get() {
            return Ok(true);
        }
        let dropped = self.dropped.get();
        self.dropped.set(dropped.saturating_add(1));
        if dropped >= QUIET_WRITES {
            let logger = py.import("asyncio.log")?.getattr("logger")?;
            logger.call_method1("warning", (warning,))?;
        }
        Ok(false)
    }

    // The protocol

    pub(super) fn pause_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let (high, _) = self.limits.get();
        if self.queued.get() <= high || self.has_paused_protocol.replace(true) {
            return Ok(());
        }
        self.tell_protocol(py, "pause_writing")
    }

    pub(super) fn resume_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let (_, low) = self.limits.get();
        if self.queued.get() > low || !self.has_paused_protocol.replace(false) {
            return Ok(());
        }
        self.tell_protocol(py, "resume_writing")
    }

    fn tell_protocol(&self, py: Python<'_>, method: &str) -> PyResult<()> {
        let (Some(protocol), Some(transport)) = (self.protocol(py), self.transport(py)) else {
            return Ok(());
        };
        match protocol.call_method0(method) {
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => {
                let arguments = (error.into_value(py), format!("protocol.{method}() failed"));
                transport
                    .call_method1(py, intern!(py, "_report"), arguments)
                    .map(drop)
            }
            Ok(_) => Ok(()),
        }
    }

    /// Calls a method of the transport, while it has one to call.
    pub(super) fn tell_transport(
        &self,
        py: Python<'_>,
        method: &Bound<'_, pyo3::types::PyString>,
    ) -> PyResult<()> {
        match self.transport(py) {
            Some(transport) => transport.call_method0(py, method).map(drop),
            None => Ok(()),
        }
    }

    /// An error of the protocol's ends the connection, or the loop if it is one of those.
    pub(super) fn check<T>(
        &self,
        py: Python<'_>,
        result: PyResult<T>,
        words: &str,
    ) -> PyResult<()> {
        match result {
            Ok(_) => Ok(()),
            Err(error) => self.fail(py, error, words),
        }
    }

    /// Ends the connection by an error, or the loop if it is one of those.
    pub(super) fn fail(&self, py: Python<'_>, error: PyErr, words: &str) -> PyResult<()> {
        if is_fatal(py, &error) {
            return Err(error);
        }
        let Some(transport) = self.transport(py) else {
            return Ok(());
        };
        let arguments = (error.into_value(py), words);
        transport
            .call_method1(py, intern!(py, "_fatal_error"), arguments)
            .map(drop)
    }
}

/// That there is no room now is no error.
pub(super) fn ignore_full(result: rustix::io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}

/// asyncio's error for what is written at the wrong time.
pub(super) fn forbidden(words: String) -> PyErr {
    PyRuntimeError::new_err(words)
}
