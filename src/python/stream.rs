//! The bytes of a connection: from the descriptor to the protocol, and from `write()` to the descriptor.
//!
//! What happens once per packet is here. What happens once per connection, from `connection_made` to `connection_lost`, is
//! in Python, in the transport that owns the stream; the stream calls it when something has come to an end. Reading goes
//! on until the system has no more, one `recv` per job, so that all connections have their turn; the waiting is for edges.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use rustix::net::{SendAncillaryBuffer, SendFlags};

use super::buffer::{Buffer, View};
use super::event_loop::{EventLoop, State, is_fatal, os_error};
use super::gil::Guarded;
use super::job::{Job, Kind};
use crate::reactor::Side;

/// How much is asked of the system at once.
pub(super) const CHUNK: usize = 256 * 1024;

/// How many pieces go out in one call; the system's own bound is 1024.
const PIECES: usize = 64;

/// asyncio's: how many writes are dropped in silence after the connection was lost.
const QUIET_WRITES: u32 = 5;

/// What the descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    /// A socket of which a short read means that there is no more.
    Socket,
    /// A Unix socket. A read ends early where a descriptor was passed; a message header tells so.
    Unix,
    /// Anything for `read` and `write`. Packets and lines end a read early.
    Pipe,
}

/// What a read has found.
enum Received {
    /// So many bytes, and whether there may be more; none at the end.
    Bytes(usize, bool),
    Nothing,
    Failed(io::Error),
}

/// Bytes that wait to be written.
struct Piece {
    bytes: Py<PyBytes>,
    /// How many of them are gone.
    sent: usize,
}

/// Whom a stream works for.
struct Links {
    transport: Py<PyAny>,
    protocol: Py<PyAny>,
}

struct Inner {
    fd: RawFd,
    medium: Medium,
    /// The loop's; no reference that the collector would have to know of.
    state: Rc<State>,
    /// What the protocol's methods run in.
    context: Py<PyAny>,
    /// `None` after `connection_lost`.
    links: RefCell<Option<Links>>,
    /// The protocol has buffers of its own.
    is_buffered: Cell<bool>,
    is_paused: Cell<bool>,
    is_reading: Cell<bool>,
    /// A read was put off that would have found something.
    has_more: Cell<bool>,
    queue: RefCell<VecDeque<Piece>>,
    /// The bytes in the queue.
    queued: Cell<usize>,
    limits: Cell<(usize, usize)>,
    has_paused_protocol: Cell<bool>,
    is_closing: Cell<bool>,
    has_eof: Cell<bool>,
    is_lent: Cell<bool>,
    /// Not zero from the moment that `connection_lost` is certain; counts the writes after that.
    lost: Cell<u32>,
}

/// One connection's bytes; see the module `_transports`.
#[pyclass(frozen, module = "qtloop._native")]
pub(super) struct Stream(Guarded<Inner>);

#[pymethods]
impl Stream {
    /// `medium` is "socket", "unix" or "pipe".
    #[new]
    fn new(
        event_loop: &Bound<'_, EventLoop>,
        transport: Py<PyAny>,
        fd: RawFd,
        medium: &str,
        protocol: Py<PyAny>,
    ) -> PyResult<Stream> {
        let py = event_loop.py();
        let medium = match medium {
            "socket" => Medium::Socket,
            "unix" => Medium::Unix,
            "pipe" => Medium::Pipe,
            other => return Err(PyValueError::new_err(format!("no such medium: {other}"))),
        };
        // SAFETY: the lock is held.
        let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? };
        Ok(Stream(Guarded::new(Inner {
            fd,
            medium,
            state: Rc::clone(event_loop.get().state(py)),
            context: context.unbind(),
            links: RefCell::new(Some(Links {
                transport,
                protocol,
            })),
            is_buffered: Cell::new(false),
            is_paused: Cell::new(false),
            is_reading: Cell::new(false),
            has_more: Cell::new(false),
            queue: RefCell::default(),
            queued: Cell::new(0),
            limits: Cell::new((64 * 1024, 16 * 1024)),
            has_paused_protocol: Cell::new(false),
            is_closing: Cell::new(false),
            has_eof: Cell::new(false),
            is_lent: Cell::new(false),
            lost: Cell::new(0),
        })))
    }

    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let io = self.0.get_in_traverse();
        visit.call(&io.context)?;
        // No cell is borrowed while Python code runs, and the collector runs only then. Bytes refer to nothing.
        if let Ok(links) = io.links.try_borrow()
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
        let io = self.io(py);
        io.is_buffered.set(buffered);
        let before = match &mut *io.links.borrow_mut() {
            Some(links) => std::mem::replace(&mut links.protocol, protocol),
            None => protocol,
        };
        drop(before);
    }

    // Reading

    /// Begin to read, unless it was paused.
    fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let io = slf.get().io(slf.py());
        if io.is_closing.get() || io.is_paused.get() {
            return Ok(());
        }
        io.watch(slf, Side::Read)
    }

    /// Read no more, for ever.
    fn stop(&self, py: Python<'_>) {
        self.io(py).unwatch_read();
    }

    /// Whether the reader waits in the poller.
    fn is_watched(&self, py: Python<'_>) -> bool {
        let io = self.io(py);
        io.is_reading.get() && !io.is_paused.get()
    }

    fn is_reading(&self, py: Python<'_>) -> bool {
        let io = self.io(py);
        !io.is_closing.get() && !io.is_paused.get()
    }

    /// Returns whether it read.
    fn pause(&self, py: Python<'_>) -> bool {
        let io = self.io(py);
        // The descriptor stays in the poller: most pauses are over before more has come.
        !io.is_closing.get() && !io.is_paused.replace(true)
    }

    /// Returns whether it was paused.
    fn resume(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let io = slf.get().io(slf.py());
        if io.is_closing.get() || !io.is_paused.replace(false) {
            return Ok(false);
        }
        if !io.is_reading.get() {
            io.watch(slf, Side::Read)?;
        } else if io.has_more.take() {
            io.state
                .push_here(Job::new(slf, Kind::Stream(Side::Read)))?;
        }
        Ok(true)
    }

    // Writing

    /// Send the bytes at once, or as soon as there is room for them.
    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let io = slf.get().io(py);
        let is_bytes = data.is_instance_of::<PyBytes>();
        if !(is_bytes
            || data.is_instance_of::<PyByteArray>()
            || data.is_instance_of::<PyMemoryView>())
        {
            return Err(PyTypeError::new_err(format!(
                "data argument must be a bytes-like object, not {}",
                data.get_type().name()?.repr()?
            )));
        }
        if !io.may_write("write")? {
            return Ok(());
        }
        let copied;
        let view;
        let bytes: &[u8] = if let Ok(bytes) = data.cast::<PyBytes>() {
            bytes.as_bytes()
        } else if let Some(contiguous) = View::read(data)? {
            view = contiguous;
            view.as_slice()
        } else {
            copied = copy(data)?;
            copied.as_bytes()
        };
        if bytes.is_empty() || !io.is_connected(py)? {
            return Ok(());
        }
        let mut sent = 0;
        if io.queued.get() == 0 {
            match io.send(bytes) {
                Ok(count) if count == bytes.len() => return Ok(()),
                Ok(count) => sent = count,
                Err(error) => return io.fail_write(py, error),
            }
        }
        let piece = match data.cast_exact::<PyBytes>() {
            Ok(bytes) => Piece {
                bytes: bytes.clone().unbind(),
                sent,
            },
            // The caller may change it after this.
            Err(_) => Piece {
                bytes: PyBytes::new(py, &bytes[sent..]).unbind(),
                sent: 0,
            },
        };
        io.put(py, piece);
        io.watch(slf, Side::Write)?;
        io.pause_protocol(py)
    }

    /// Send all these, in one call to the system where that is possible.
    fn writelines(slf: &Bound<'_, Self>, list: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let io = slf.get().io(py);
        if !io.may_write("writelines")? {
            return Ok(());
        }
        let mut pieces = Vec::new();
        for data in list.try_iter()? {
            let bytes = copy(&data?)?;
            if !bytes.as_bytes().is_empty() {
                pieces.push(bytes.unbind());
            }
        }
        if pieces.is_empty() || !io.is_connected(py)? {
            return Ok(());
        }
        let was_empty = io.queued.get() == 0;
        for bytes in pieces {
            io.put(py, Piece { bytes, sent: 0 });
        }
        if was_empty && let Err(error) = io.flush(py) {
            io.discard();
            return io.fail_write(py, error);
        }
        if io.queued.get() > 0 {
            io.watch(slf, Side::Write)?;
            io.pause_protocol(py)?;
        }
        Ok(())
    }

    /// How many bytes wait.
    fn buffered(&self, py: Python<'_>) -> usize {
        self.io(py).queued.get()
    }

    /// Forget what waits.
    fn discard(&self, py: Python<'_>) {
        self.io(py).discard();
    }

    /// (low, high): the protocol is paused above high, and goes on at low or below.
    fn limits(&self, py: Python<'_>) -> (usize, usize) {
        let (high, low) = self.io(py).limits.get();
        (low, high)
    }

    fn set_limits(&self, py: Python<'_>, high: usize, low: usize) -> PyResult<()> {
        let io = self.io(py);
        io.limits.set((high, low));
        io.pause_protocol(py)
    }

    /// Whether pause_writing() was called, and resume_writing() was not.
    fn has_paused_protocol(&self, py: Python<'_>) -> bool {
        self.io(py).has_paused_protocol.get()
    }

    // What has come to an end

    #[getter]
    fn closing(&self, py: Python<'_>) -> bool {
        self.io(py).is_closing.get()
    }

    #[setter]
    fn set_closing(&self, py: Python<'_>, closing: bool) {
        self.io(py).is_closing.set(closing);
    }

    /// Whether connection_lost() is certain.
    #[getter]
    fn lost(&self, py: Python<'_>) -> bool {
        self.io(py).lost.get() > 0
    }

    /// connection_lost() is certain from now on: writes are dropped.
    fn lose(&self, py: Python<'_>) {
        let io = self.io(py);
        io.lost.set(io.lost.get() + 1);
    }

    #[getter]
    fn eof(&self, py: Python<'_>) -> bool {
        self.io(py).has_eof.get()
    }

    /// From now on nothing may be written.
    #[setter]
    fn set_eof(&self, py: Python<'_>, eof: bool) {
        self.io(py).has_eof.set(eof);
    }

    /// Somebody else writes to the descriptor: sendfile().
    #[setter]
    fn set_lent(&self, py: Python<'_>, lent: bool) {
        self.io(py).is_lent.set(lent);
    }

    /// Let go of transport and protocol: no method of theirs is called any more.
    fn detach(&self, py: Python<'_>) {
        let links = self.io(py).links.take();
        drop(links);
    }

    /// Do what one side is ready for. For debug mode, where a handle calls it.
    fn ready(slf: &Bound<'_, Self>, writer: bool) -> PyResult<()> {
        work(slf, if writer { Side::Write } else { Side::Read })
    }

    /// What the protocol's methods run in.
    #[getter]
    fn context(&self, py: Python<'_>) -> Py<PyAny> {
        self.io(py).context.clone_ref(py)
    }
}

impl Stream {
    #[inline]
    fn io(&self, py: Python<'_>) -> &Inner {
        self.0.get(py)
    }

    /// The transport, unless the connection was lost.
    pub(super) fn transport(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.io(py).transport(py)
    }

    /// Runs one side in the stream's context. The error is one that ends the loop.
    pub(super) fn run(slf: &Bound<'_, Self>, side: Side) -> PyResult<()> {
        let py = slf.py();
        let mut context = slf.get().io(py).context.clone_ref(py).into_bound(py);
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
            let result = work(slf, side);
            ffi::PyContext_Exit(context.as_ptr());
            result
        }
    }
}

fn work(slf: &Bound<'_, Stream>, side: Side) -> PyResult<()> {
    match side {
        Side::Read => read_ready(slf),
        Side::Write => write_ready(slf),
    }
}

/// There may be something to read.
fn read_ready(slf: &Bound<'_, Stream>) -> PyResult<()> {
    let py = slf.py();
    let io = slf.get().io(py);
    if !io.is_reading.get() || io.lost.get() > 0 {
        return Ok(());
    }
    if io.is_paused.get() {
        // It is a long pause. To come back to the poller costs as much as to leave it, and leads to another look.
        io.unwatch_read();
        return Ok(());
    }
    let Some(protocol) = io.protocol(py) else {
        return Ok(());
    };
    let more = if io.is_buffered.get() {
        io.read_into_protocol(protocol.bind(py))?
    } else {
        io.read(protocol.bind(py))?
    };
    if !io.is_reading.get() {
        return Ok(()); // Closed meanwhile.
    }
    if !more {
        io.rearm(slf, Side::Read);
    } else if io.is_paused.get() {
        io.has_more.set(true);
    } else {
        // Others come first.
        io.state
            .push_here(Job::new(slf, Kind::Stream(Side::Read)))?;
    }
    Ok(())
}

/// There may be room to write.
fn write_ready(slf: &Bound<'_, Stream>) -> PyResult<()> {
    let py = slf.py();
    let io = slf.get().io(py);
    if io.queued.get() == 0 || io.lost.get() > 0 {
        return Ok(());
    }
    if let Err(error) = io.flush(py) {
        io.discard();
        return io.fail_write(py, error);
    }
    io.resume_protocol(py)?;
    if io.queued.get() > 0 {
        io.rearm(slf, Side::Write);
        return Ok(());
    }
    io.unwatch_write();
    match io.transport(py) {
        Some(transport) => transport
            .call_method0(py, intern!(py, "_on_flushed"))
            .map(drop),
        None => Ok(()),
    }
}

/// The same bytes, in an object that nobody can change.
fn copy<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    // memoryview() refuses what is not bytes-like, of which bytes() would make something.
    let view = PyMemoryView::from(data)?;
    // SAFETY: it is an object, and the lock is held.
    let bytes =
        unsafe { Bound::from_owned_ptr_or_err(data.py(), ffi::PyBytes_FromObject(view.as_ptr()))? };
    Ok(bytes.cast_into::<PyBytes>()?)
}

impl Inner {
    fn transport(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let links = self.links.borrow();
        links.as_ref().map(|links| links.transport.clone_ref(py))
    }

    fn protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let links = self.links.borrow();
        links.as_ref().map(|links| links.protocol.clone_ref(py))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the transport closes the descriptor after it has taken the stream off the poller, and never reads or
        // writes by it after that.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    // Waiting

    fn watch(&self, slf: &Bound<'_, Stream>, side: Side) -> PyResult<()> {
        let driver = self.state.driver()?;
        if side == Side::Read && self.is_reading.replace(true) {
            return Ok(());
        }
        if side == Side::Write && driver.is_watched(self.fd, side) {
            return Ok(());
        }
        let before = driver
            .watch_edges(self.fd, side, Job::new(slf, Kind::Stream(side)))
            .map_err(os_error)?;
        drop(before);
        Ok(())
    }

    fn unwatch_read(&self) {
        self.is_reading.set(false);
        self.unwatch(Side::Read);
    }

    fn unwatch_write(&self) {
        self.unwatch(Side::Write);
    }

    fn unwatch(&self, side: Side) {
        // The loop may be closed, and then nothing is watched.
        if let Ok(driver) = self.state.driver() {
            drop(driver.unwatch(self.fd, side));
        }
    }

    fn rearm(&self, slf: &Bound<'_, Stream>, side: Side) {
        if let Ok(driver) = self.state.driver() {
            driver.rearm(self.fd, side, |job| job.object.is(slf));
        }
    }

    // Reading

    /// Reads once and tells the protocol. Returns whether there may be more.
    fn read(&self, protocol: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = protocol.py();
        let mut buffer = self.state.buffer.borrow_mut();
        let received = self.receive(buffer.whole());
        let (count, more) = match received {
            Received::Bytes(count, more) => (count, more),
            Received::Nothing => return Ok(false),
            Received::Failed(error) => {
                drop(buffer);
                return self.fail_read(py, os_error(error));
            }
        };
        if count == 0 {
            drop(buffer);
            return self.end_of_file(py);
        }
        let data = PyBytes::new(py, &buffer.whole()[..count]);
        drop(buffer);
        let told = protocol.call_method1(intern!(py, "data_received"), (data,));
        self.check(
            py,
            told,
            "Fatal error: protocol.data_received() call failed.",
        )?;
        Ok(more)
    }

    /// As [`read`](Inner::read), into the memory of a BufferedProtocol.
    fn read_into_protocol(&self, protocol: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = protocol.py();
        let words = "Fatal error: protocol.get_buffer() call failed.";
        let given = protocol
            .call_method1(intern!(py, "get_buffer"), (-1,))
            .and_then(|buffer| {
                if buffer.len()? == 0 {
                    return Err(PyRuntimeError::new_err(
                        "get_buffer() returned an empty buffer",
                    ));
                }
                Ok(buffer)
            });
        let buffer = match given {
            Ok(buffer) => buffer,
            Err(error) => return self.fail(py, error, words).map(|()| false),
        };
        let mut view = match View::write(&buffer) {
            Ok(view) => view,
            Err(error) => return self.fail_read(py, error),
        };
        let received = self.receive(view.as_mut_slice());
        drop(view);
        let (count, more) = match received {
            Received::Bytes(count, more) => (count, more),
            Received::Nothing => return Ok(false),
            Received::Failed(error) => return self.fail_read(py, os_error(error)),
        };
        if count == 0 {
            return self.end_of_file(py);
        }
        let told = protocol.call_method1(intern!(py, "buffer_updated"), (count,));
        self.check(
            py,
            told,
            "Fatal error: protocol.buffer_updated() call failed.",
        )?;
        Ok(more)
    }

    fn receive(&self, buffer: &mut [u8]) -> Received {
        let room = buffer.len();
        let result = match self.medium {
            Medium::Socket => Buffer::recv(self.fd(), buffer).map(|count| (count, count == room)),
            Medium::Unix => Buffer::recv_unix(self.fd(), buffer)
                .map(|(count, cut)| (count, cut || count == room)),
            Medium::Pipe => rustix::io::read(self.fd(), buffer).map(|count| (count, true)),
        };
        match result {
            Ok((0, _)) => Received::Bytes(0, false),
            // The news of the end came with the last bytes, and does not come again.
            Ok((count, more)) => Received::Bytes(count, more || self.is_hung_up()),
            Err(rustix::io::Errno::AGAIN) => Received::Nothing,
            Err(error) => Received::Failed(error.into()),
        }
    }

    fn is_hung_up(&self) -> bool {
        self.state
            .driver()
            .is_ok_and(|driver| driver.is_hung_up(self.fd))
    }

    /// Returns that there is no more.
    fn end_of_file(&self, py: Python<'_>) -> PyResult<bool> {
        if let Some(transport) = self.transport(py) {
            transport.call_method0(py, intern!(py, "_on_eof"))?;
        }
        Ok(false)
    }

    /// Returns that there is no more.
    fn fail_read(&self, py: Python<'_>, error: PyErr) -> PyResult<bool> {
        let words = match self.medium {
            Medium::Pipe => "Fatal read error on pipe transport",
            Medium::Socket | Medium::Unix => "Fatal read error on socket transport",
        };
        self.fail(py, error, words).map(|()| false)
    }

    // Writing

    /// Whether a write makes sense at all; an error if it is forbidden.
    fn may_write(&self, function: &str) -> PyResult<bool> {
        if self.has_eof.get() {
            return Err(PyRuntimeError::new_err(format!(
                "Cannot call {function}() after write_eof()"
            )));
        }
        if self.is_lent.get() {
            return Err(PyRuntimeError::new_err(format!(
                "unable to {function}; sendfile is in progress"
            )));
        }
        Ok(true)
    }

    /// Whether what is written can go anywhere; if not, it is dropped, and at the sixth time with a warning.
    fn is_connected(&self, py: Python<'_>) -> PyResult<bool> {
        let lost = self.lost.get();
        if lost == 0 {
            return Ok(true);
        }
        self.lost.set(lost.saturating_add(1));
        if lost >= QUIET_WRITES {
            let logger = py.import("asyncio.log")?.getattr("logger")?;
            let words = match self.medium {
                Medium::Pipe => "pipe closed by peer or os.write(pipe, data) raised exception.",
                Medium::Socket | Medium::Unix => "socket.send() raised exception.",
            };
            logger.call_method1("warning", (words,))?;
        }
        Ok(false)
    }

    fn put(&self, py: Python<'_>, piece: Piece) {
        let left = piece.bytes.as_bytes(py).len() - piece.sent;
        self.queued.set(self.queued.get() + left);
        self.queue.borrow_mut().push_back(piece);
    }

    fn discard(&self) {
        if self.queued.replace(0) > 0 {
            let queue = self.queue.take();
            drop(queue);
            self.unwatch_write();
        }
    }

    /// How many of the bytes the system took.
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let result = match self.medium {
            Medium::Pipe => rustix::io::write(self.fd(), bytes),
            Medium::Socket | Medium::Unix => {
                rustix::net::send(self.fd(), bytes, SendFlags::NOSIGNAL)
            }
        };
        ignore_full(result)
    }

    /// Sends as much of the queue as the system takes at once.
    fn flush(&self, py: Python<'_>) -> io::Result<()> {
        let mut queue = self.queue.borrow_mut();
        let mut left = {
            let pieces: Vec<IoSlice<'_>> = queue
                .iter()
                .take(PIECES)
                .map(|piece| IoSlice::new(&piece.bytes.as_bytes(py)[piece.sent..]))
                .collect();
            ignore_full(match self.medium {
                Medium::Pipe => rustix::io::writev(self.fd(), &pieces),
                Medium::Socket | Medium::Unix => rustix::net::sendmsg(
                    self.fd(),
                    &pieces,
                    &mut SendAncillaryBuffer::default(),
                    SendFlags::NOSIGNAL,
                ),
            })?
        };
        self.queued.set(self.queued.get() - left);
        while left > 0 {
            let Some(piece) = queue.front_mut() else {
                break;
            };
            let length = piece.bytes.as_bytes(py).len() - piece.sent;
            if length > left {
                piece.sent += left;
                break;
            }
            left -= length;
            // Bytes: to drop them runs no code.
            queue.pop_front();
        }
        Ok(())
    }

    fn fail_write(&self, py: Python<'_>, error: io::Error) -> PyResult<()> {
        let words = match self.medium {
            Medium::Pipe => "Fatal write error on pipe transport",
            Medium::Socket | Medium::Unix => "Fatal write error on socket transport",
        };
        self.fail(py, os_error(error), words)
    }

    // The protocol

    fn pause_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let (high, _) = self.limits.get();
        if self.queued.get() <= high || self.has_paused_protocol.replace(true) {
            return Ok(());
        }
        self.tell_protocol(py, "pause_writing")
    }

    fn resume_protocol(&self, py: Python<'_>) -> PyResult<()> {
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
        match protocol.call_method0(py, method) {
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => {
                let words = format!("protocol.{method}() failed");
                let arguments = (error.into_value(py), words);
                transport
                    .call_method1(py, intern!(py, "_report"), arguments)
                    .map(drop)
            }
            Ok(_) => Ok(()),
        }
    }

    /// An error of the protocol's ends the connection, or the loop if it is one of those.
    fn check<T>(&self, py: Python<'_>, result: PyResult<T>, words: &str) -> PyResult<()> {
        match result {
            Ok(_) => Ok(()),
            Err(error) => self.fail(py, error, words),
        }
    }

    fn fail(&self, py: Python<'_>, error: PyErr, words: &str) -> PyResult<()> {
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
fn ignore_full(result: rustix::io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}
