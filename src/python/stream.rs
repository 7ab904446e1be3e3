//! Byte streams (sockets and pipes): passes received bytes to the protocol, and writes those of
//! `write()`.
//!
//! Descriptors are edge-triggered, so a stream reads until the system has no more data: one read
//! per job, so that one connection does not delay others. `write()` writes at once; the system
//! takes the rest later, in as few calls as possible.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;

use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::net::{SendAncillaryBuffer, SendFlags};

use super::buffer::{Buffer, Data, View, copy, not_bytes};
use super::endpoint::{Endpoint, EndpointState};
use super::error::os_error;
use super::flow::{fail, ignore_full};
use super::gil::GilProtected;
use super::job::direction;
use super::state::EventLoop;
use crate::reactor::Direction;

/// The maximum number of pieces of one `sendmsg` or `writev`; the system's limit is 1024.
const PIECES: usize = 64;

/// The kind of the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamKind {
    /// A socket: a short read means that there is no more data.
    Socket,
    /// A Unix socket. A read also ends early where a descriptor was passed; the message's flags
    /// show that.
    UnixSocket,
    /// The descriptor of a read pipe transport: a pipe, socket or character device. A packet or
    /// line boundary may end a read early.
    ReadPipe,
    /// The descriptor of a write pipe transport. A pipe becomes readable when its read end is
    /// closed.
    WritePipe,
}

impl StreamKind {
    fn is_socket(self) -> bool {
        matches!(self, StreamKind::Socket | StreamKind::UnixSocket)
    }
}

/// The result of a read.
enum Received {
    /// The number of bytes, 0 at the end of file, and whether there may be more.
    Bytes(usize, bool),
    Nothing,
    Failed(io::Error),
}

/// Bytes that wait to be written.
struct Piece {
    bytes: Py<PyBytes>,
    /// How many of them are written.
    sent: usize,
}

struct StreamState {
    kind: StreamKind,
    queue: RefCell<VecDeque<Piece>>,
    /// `write_eof()` was called.
    has_eof: Cell<bool>,
    /// `sendfile()` is writing to the descriptor.
    is_sendfile_active: Cell<bool>,
}

/// The bytes of one connection; see the module `_transports`.
#[pyclass(frozen, extends = Endpoint, module = "qtloop._native")]
pub(super) struct Stream(GilProtected<StreamState>);

#[pymethods]
impl Stream {
    /// `kind` is "socket", "unix", "source" or "sink". The protocol's methods run in `context`;
    /// without one, each direction runs in a copy of the context in which it was registered.
    #[new]
    #[pyo3(signature = (event_loop, fd, kind, context=None))]
    fn new(
        event_loop: &Bound<'_, EventLoop>,
        fd: RawFd,
        kind: &str,
        context: Option<Py<PyAny>>,
    ) -> PyResult<PyClassInitializer<Stream>> {
        let kind = match kind {
            "socket" => StreamKind::Socket,
            "unix" => StreamKind::UnixSocket,
            "read_pipe" => StreamKind::ReadPipe,
            "write_pipe" => StreamKind::WritePipe,
            other => return Err(PyValueError::new_err(format!("no such kind: {other}"))),
        };
        let stream = StreamState {
            kind,
            queue: RefCell::default(),
            has_eof: Cell::new(false),
            is_sendfile_active: Cell::new(false),
        };
        // asyncio's numbers of dropped writes without a warning.
        let connlost_log_threshold = if kind.is_socket() { 4 } else { 5 };
        let endpoint = Endpoint::new(event_loop, fd, connlost_log_threshold, context);
        Ok(PyClassInitializer::from(endpoint).add_subclass(Stream(GilProtected::new(stream))))
    }

    /// Writes the bytes now, or queues those for which the system has no room.
    fn write(
        slf: &Bound<'_, Self>,
        transport: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let (endpoint, stream) = parts(slf);
        let Some(data) = Data::of(data)? else {
            return Err(not_bytes(data));
        };
        stream.may_write("write")?;
        let bytes = data.as_slice();
        if bytes.is_empty() || !stream.is_connected(py, endpoint)? {
            return Ok(());
        }
        let mut sent = 0;
        if endpoint.queued.get() == 0 {
            match stream.send(endpoint, bytes) {
                Ok(count) if count == bytes.len() => return Ok(()),
                Ok(count) => sent = count,
                Err(error) => return stream.fail_write(transport, error),
            }
        }
        let (bytes, sent) = data.keep(py, sent);
        stream.put(
            py,
            endpoint,
            Piece {
                bytes: bytes.unbind(),
                sent,
            },
        );
        endpoint.watch(transport, Direction::Write)?;
        endpoint.pause_protocol(transport)
    }

    /// Writes all items, up to 64 per system call.
    fn writelines(
        slf: &Bound<'_, Self>,
        transport: &Bound<'_, PyAny>,
        list: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let (endpoint, stream) = parts(slf);
        stream.may_write("writelines")?;
        let mut pieces = Vec::new();
        for data in list.try_iter()? {
            let bytes = copy(&data?)?;
            if !bytes.as_bytes().is_empty() {
                pieces.push(bytes.unbind());
            }
        }
        if pieces.is_empty() || !stream.is_connected(py, endpoint)? {
            return Ok(());
        }
        let was_empty = endpoint.queued.get() == 0;
        for bytes in pieces {
            stream.put(py, endpoint, Piece { bytes, sent: 0 });
        }
        if was_empty && let Err(error) = stream.flush(py, endpoint) {
            stream.discard(endpoint, transport);
            return stream.fail_write(transport, error);
        }
        if endpoint.queued.get() > 0 {
            endpoint.watch(transport, Direction::Write)?;
            endpoint.pause_protocol(transport)?;
        }
        Ok(())
    }

    /// Drops the queued bytes.
    fn discard(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) {
        let (endpoint, stream) = parts(slf);
        stream.discard(endpoint, transport);
    }

    /// Whether `write_eof()` was called; a later write raises an error.
    #[getter]
    fn eof(&self, py: Python<'_>) -> bool {
        self.0.get(py).has_eof.get()
    }

    /// Ends the writes of an open transport. Returns false if it is closing, or if they have ended.
    fn end_writes(slf: &Bound<'_, Self>) -> bool {
        let (endpoint, stream) = parts(slf);
        !endpoint.is_closing() && !stream.has_eof.replace(true)
    }

    /// Sets whether sendfile() is writing to the descriptor; a write then raises an error.
    fn set_sendfile_active(&self, py: Python<'_>, active: bool) {
        self.0.get(py).is_sendfile_active.set(active);
    }

    /// Reads or writes, for debug mode: a handle calls it when the direction is ready.
    fn ready(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>, writer: bool) -> PyResult<()> {
        Stream::work(slf, transport, direction(writer))
    }
}

#[inline]
fn parts<'a>(slf: &'a Bound<'_, Stream>) -> (&'a EndpointState, &'a StreamState) {
    let py = slf.py();
    (slf.as_super().get().get(py), slf.get().0.get(py))
}

impl Stream {
    /// Reads or writes. Returns errors that stop the loop, and those that asyncio's handle would
    /// report.
    pub(super) fn work(
        slf: &Bound<'_, Stream>,
        transport: &Bound<'_, PyAny>,
        direction: Direction,
    ) -> PyResult<()> {
        let (endpoint, stream) = parts(slf);
        match direction {
            Direction::Read => endpoint.read_ready(transport, |protocol| {
                if stream.kind == StreamKind::WritePipe {
                    end_of_file(transport)
                } else if endpoint.is_buffered.get() {
                    stream.read_into_protocol(endpoint, transport, protocol)
                } else {
                    stream.read(endpoint, transport, protocol)
                }
            }),
            Direction::Write => stream.write_ready(endpoint, transport),
        }
    }
}

/// Calls the transport's `_on_eof`. Returns false: there is no more data.
fn end_of_file(transport: &Bound<'_, PyAny>) -> PyResult<bool> {
    transport
        .call_method0(intern!(transport.py(), "_on_eof"))
        .map(|_| false)
}

impl StreamState {
    // Reading

    /// Reads once and passes the bytes to the protocol. Returns whether there may be more.
    fn read(
        &self,
        endpoint: &EndpointState,
        transport: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let py = protocol.py();
        let mut buffer = endpoint.state.buffer.borrow_mut();
        let received = self.receive(endpoint, buffer.whole());
        let (count, more) = match received {
            Received::Bytes(count, more) => (count, more),
            Received::Nothing => return Ok(false),
            Received::Failed(error) => {
                drop(buffer);
                return self.fail_read(transport, os_error(error));
            }
        };
        if count == 0 {
            drop(buffer);
            return end_of_file(transport);
        }
        let data = PyBytes::new(py, &buffer.whole()[..count]);
        drop(buffer);
        let told = protocol.call_method1(intern!(py, "data_received"), (data,));
        match told {
            Err(error) if self.kind.is_socket() => {
                let message = "Fatal error: protocol.data_received() call failed.";
                fail(transport, error, message)?;
            }
            // As in asyncio, a pipe stays open.
            other => drop(other?),
        }
        Ok(more)
    }

    /// Reads once, like [`read`](StreamState::read), into the buffer of a BufferedProtocol.
    fn read_into_protocol(
        &self,
        endpoint: &EndpointState,
        transport: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let py = protocol.py();
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
            Err(error) => {
                let message = "Fatal error: protocol.get_buffer() call failed.";
                return fail(transport, error, message).map(|()| false);
            }
        };
        if endpoint.is_lost() {
            return Ok(false); // get_buffer() has aborted the connection
        }
        let mut view = match View::write(&buffer) {
            Ok(view) => view,
            Err(error) if error.is_instance_of::<PyBufferError>(py) => {
                let name = buffer.get_type().name()?;
                let error = PyTypeError::new_err(format!(
                    "get_buffer() must return a read-write bytes-like object, not {name}"
                ));
                return self.fail_read(transport, error);
            }
            Err(error) => return self.fail_read(transport, error),
        };
        let received = self.receive(endpoint, view.as_mut_slice());
        drop(view);
        let (count, more) = match received {
            Received::Bytes(count, more) => (count, more),
            Received::Nothing => return Ok(false),
            Received::Failed(error) => return self.fail_read(transport, os_error(error)),
        };
        if count == 0 {
            return end_of_file(transport);
        }
        let told = protocol.call_method1(intern!(py, "buffer_updated"), (count,));
        if let Err(error) = told {
            let message = "Fatal error: protocol.buffer_updated() call failed.";
            fail(transport, error, message)?;
        }
        Ok(more)
    }

    fn receive(&self, endpoint: &EndpointState, buffer: &mut [u8]) -> Received {
        let room = buffer.len();
        let result = match self.kind {
            StreamKind::Socket => {
                Buffer::recv(endpoint.fd(), buffer).map(|count| (count, count == room))
            }
            StreamKind::UnixSocket => Buffer::recv_unix(endpoint.fd(), buffer)
                .map(|(count, cut)| (count, cut || count == room)),
            StreamKind::ReadPipe | StreamKind::WritePipe => {
                rustix::io::read(endpoint.fd(), buffer).map(|count| (count, true))
            }
        };
        match result {
            Ok((0, _)) => Received::Bytes(0, false),
            // A hang-up may have been reported together with these bytes and, being edge-triggered,
            // is not reported again.
            Ok((count, more)) => Received::Bytes(count, more || endpoint.is_hung_up()),
            Err(rustix::io::Errno::AGAIN) => Received::Nothing,
            Err(error) => Received::Failed(error.into()),
        }
    }

    /// Closes the connection with a read error. Returns false: there is no more data.
    fn fail_read(&self, transport: &Bound<'_, PyAny>, error: PyErr) -> PyResult<bool> {
        let message = if self.kind.is_socket() {
            "Fatal read error on socket transport"
        } else {
            "Fatal read error on pipe transport"
        };
        fail(transport, error, message).map(|()| false)
    }

    // Writing

    /// Writes queued data. Called when the descriptor is writable.
    fn write_ready(&self, endpoint: &EndpointState, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = transport.py();
        if endpoint.queued.get() == 0 || endpoint.is_lost() {
            return Ok(());
        }
        let is_full = match self.flush(py, endpoint) {
            Ok(is_full) => is_full,
            Err(error) => {
                self.discard(endpoint, transport);
                return self.fail_write(transport, error);
            }
        };
        endpoint.flushed(transport, is_full)
    }

    fn may_write(&self, function: &str) -> PyResult<()> {
        let message = if self.has_eof.get() {
            format!("Cannot call {function}() after write_eof()")
        } else if self.is_sendfile_active.get() {
            format!("unable to {function}; sendfile is in progress")
        } else {
            return Ok(());
        };
        Err(PyRuntimeError::new_err(message))
    }

    /// Returns whether data can be written; if not, counts it as dropped.
    fn is_connected(&self, py: Python<'_>, endpoint: &EndpointState) -> PyResult<bool> {
        if self.kind.is_socket() {
            return Ok(!endpoint.is_lost()
                || endpoint.drop_write(py, "socket.send() raised exception.")?);
        }
        // A closing pipe takes no more data.
        let warning = "pipe closed by peer or os.write(pipe, data) raised exception.";
        Ok(!endpoint.is_closing() || endpoint.drop_write(py, warning)?)
    }

    fn put(&self, py: Python<'_>, endpoint: &EndpointState, piece: Piece) {
        let left = piece.bytes.as_bytes(py).len() - piece.sent;
        endpoint.queued.set(endpoint.queued.get() + left);
        self.queue.borrow_mut().push_back(piece);
    }

    fn discard(&self, endpoint: &EndpointState, transport: &Bound<'_, PyAny>) {
        if endpoint.queued.replace(0) > 0 {
            // The queue can stay borrowed: dropping `bytes` runs no code.
            self.queue.borrow_mut().clear();
            endpoint.unwatch_write(transport);
        }
    }

    /// Writes once, and returns how many bytes the system took.
    fn send(&self, endpoint: &EndpointState, bytes: &[u8]) -> io::Result<usize> {
        ignore_full(if self.kind.is_socket() {
            rustix::net::send(endpoint.fd(), bytes, SendFlags::NOSIGNAL)
        } else {
            rustix::io::write(endpoint.fd(), bytes)
        })
    }

    /// Writes as much of the queue as one system call takes. Returns whether the system took less
    /// than it was given: only then an event follows when there is room again.
    fn flush(&self, py: Python<'_>, endpoint: &EndpointState) -> io::Result<bool> {
        let mut queue = self.queue.borrow_mut();
        let (given, mut left) = {
            let pieces: Vec<IoSlice<'_>> = queue
                .iter()
                .take(PIECES)
                .map(|piece| IoSlice::new(&piece.bytes.as_bytes(py)[piece.sent..]))
                .collect();
            let given: usize = pieces.iter().map(|piece| piece.len()).sum();
            let sent = ignore_full(if self.kind.is_socket() {
                rustix::net::sendmsg(
                    endpoint.fd(),
                    &pieces,
                    &mut SendAncillaryBuffer::default(),
                    SendFlags::NOSIGNAL,
                )
            } else {
                rustix::io::writev(endpoint.fd(), &pieces)
            })?;
            (given, sent)
        };
        let is_full = left < given;
        endpoint.queued.set(endpoint.queued.get() - left);
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
            queue.pop_front();
        }
        Ok(is_full)
    }

    fn fail_write(&self, transport: &Bound<'_, PyAny>, error: io::Error) -> PyResult<()> {
        let message = if self.kind.is_socket() {
            "Fatal write error on socket transport"
        } else {
            "Fatal write error on pipe transport"
        };
        fail(transport, os_error(error), message)
    }
}
