//! Datagram sockets (UDP or Unix): passes received packets to the protocol, and sends those of
//! `sendto()`.
//!
//! An address is a tuple in Python and a structure for the system. The last sender's and the last
//! receiver's address are cached in both forms, because most packets are exchanged with one peer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;

use pyo3::exceptions::{PyBlockingIOError, PyOSError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix};

use super::buffer::{Data, not_bytes};
use super::endpoint::{Endpoint, EndpointState};
use super::error::{is_fatal, os_error};
use super::flow::fail;
use super::gil::GilProtected;
use super::job::direction;

use super::state::EventLoop;
use crate::reactor::Direction;

/// Bytes that a queued packet counts in addition to its data, as in asyncio.
const HEADER: usize = 8;

/// The maximum number of packets that one job receives, so that a busy socket does not delay
/// others.
const PACKETS: usize = 16;

/// A packet that waits to be sent.
struct Packet {
    bytes: Py<PyBytes>,
    address: Option<Py<PyAny>>,
}

/// An address in both forms.
struct PeerAddress {
    system: SocketAddrAny,
    python: Py<PyAny>,
}

struct DatagramState {
    /// The receiver of all packets, if the socket is connected or was made for one address.
    remote: Option<Py<PyAny>>,
    is_connected: bool,
    is_v6: bool,
    queue: RefCell<VecDeque<Packet>>,
    last_from: RefCell<Option<PeerAddress>>,
    last_to: RefCell<Option<PeerAddress>>,
}

/// The packets of one socket; see the module `_transports`.
#[pyclass(frozen, extends = Endpoint, module = "qtloop._native")]
pub(super) struct Datagrams(GilProtected<DatagramState>);

/// The result of sending a packet.
enum Sent {
    Yes,
    /// The socket's send buffer has no room.
    Full,
    Failed(PyErr),
}

#[pymethods]
impl Datagrams {
    /// `remote` is the only address to send to, or None; `connected` says whether the socket is
    /// connected.
    #[new]
    fn new(
        event_loop: &Bound<'_, EventLoop>,
        fd: RawFd,
        remote: Option<Py<PyAny>>,
        connected: bool,
        v6: bool,
    ) -> PyClassInitializer<Datagrams> {
        let post = DatagramState {
            remote,
            is_connected: connected,
            is_v6: v6,
            queue: RefCell::default(),
            last_from: RefCell::default(),
            last_to: RefCell::default(),
        };
        let endpoint = Endpoint::new(event_loop, fd, 4, None);
        PyClassInitializer::from(endpoint).add_subclass(Datagrams(GilProtected::new(post)))
    }

    /// Sends a packet now, or queues it if the system has no room.
    fn sendto(
        slf: &Bound<'_, Self>,
        transport: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let (endpoint, post) = parts(slf);
        let Some(data) = Data::of(data)? else {
            return Err(not_bytes(data));
        };
        let remote = post.remote.as_ref().map(|remote| remote.bind(py));
        if let (Some(address), Some(remote)) = (address, remote)
            && !address.eq(remote)?
        {
            return Err(PyValueError::new_err(format!(
                "Invalid address: must be None or {}",
                remote.str()?
            )));
        }
        let address = address.or(remote);
        if endpoint.is_lost() {
            if remote.is_some() {
                endpoint.drop_write(py, "socket.send() raised exception.")?;
                return Ok(());
            }
            // Without a remote address, asyncio keeps sending until the socket is closed.
            if endpoint.protocol(py).is_some()
                && let Sent::Failed(error) = post.send(endpoint, transport, &data, address)?
            {
                return failed(endpoint, transport, error);
            }
            return Ok(());
        }
        if endpoint.queued.get() == 0 {
            match post.send(endpoint, transport, &data, address)? {
                Sent::Yes => return Ok(()),
                Sent::Full => {}
                Sent::Failed(error) => return failed(endpoint, transport, error),
            }
        }
        let (bytes, _) = data.keep(py, 0);
        endpoint
            .queued
            .set(endpoint.queued.get() + bytes.as_bytes().len() + HEADER);
        post.queue.borrow_mut().push_back(Packet {
            bytes: bytes.unbind(),
            address: address.map(|address| address.clone().unbind()),
        });
        endpoint.watch(transport, Direction::Write)?;
        endpoint.pause_protocol(transport)
    }

    /// Drops the queued packets.
    fn discard(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) {
        let (endpoint, post) = parts(slf);
        if endpoint.queued.replace(0) > 0 {
            let queue = post.queue.take();
            drop(queue);
            endpoint.unwatch_write(transport);
        }
    }

    /// Receives or sends, for debug mode: a handle calls it when the direction is ready.
    fn ready(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>, writer: bool) -> PyResult<()> {
        Datagrams::work(slf, transport, direction(writer))
    }
}

#[inline]
fn parts<'a>(slf: &'a Bound<'_, Datagrams>) -> (&'a EndpointState, &'a DatagramState) {
    let py = slf.py();
    (slf.as_super().get().get(py), slf.get().0.get(py))
}

impl Datagrams {
    /// Receives or sends packets. Returns errors that stop the loop, and those that asyncio's
    /// handle would report.
    pub(super) fn work(
        slf: &Bound<'_, Datagrams>,
        transport: &Bound<'_, PyAny>,
        direction: Direction,
    ) -> PyResult<()> {
        let (endpoint, post) = parts(slf);
        match direction {
            Direction::Read => endpoint.read_ready(transport, |protocol| {
                post.receive_some(endpoint, transport, protocol)
            }),
            Direction::Write => post.flush(endpoint, transport),
        }
    }
}

/// Passes an `OSError` to the protocol's `error_received`; closes the transport for any other
/// error.
fn failed(endpoint: &EndpointState, transport: &Bound<'_, PyAny>, error: PyErr) -> PyResult<()> {
    let py = transport.py();
    if is_fatal(py, &error) {
        return Err(error);
    }
    if !error.is_instance_of::<PyOSError>(py) {
        return fail(transport, error, "Fatal write error on datagram transport");
    }
    match endpoint.protocol(py) {
        Some(protocol) => protocol
            .call_method1(intern!(py, "error_received"), (error.into_value(py),))
            .map(drop),
        None => Ok(()),
    }
}

impl DatagramState {
    /// Receives up to [`PACKETS`] packets and passes them to the protocol. Returns whether there
    /// may be more.
    fn receive_some(
        &self,
        endpoint: &EndpointState,
        transport: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let mut protocol = protocol.clone();
        for _ in 0..PACKETS {
            if !self.receive(endpoint, transport, &protocol)? {
                return Ok(false);
            }
            // The protocol may have paused or closed the transport, or replaced itself.
            match endpoint.protocol(transport.py()) {
                Some(present) if endpoint.is_reading.get() && !endpoint.is_lost() => {
                    protocol = present
                }
                _ => break,
            }
        }
        Ok(true)
    }

    /// Receives one packet and passes it to the protocol. Returns whether there may be more.
    fn receive(
        &self,
        endpoint: &EndpointState,
        transport: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let py = protocol.py();
        let mut buffer = endpoint.state.buffer.borrow_mut();
        let received = rustix::net::recvfrom(endpoint.fd(), buffer.whole(), RecvFlags::empty());
        let (count, from) = match received {
            Ok((count, _, from)) => (count, from),
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => return Ok(true),
            Err(error) => {
                drop(buffer);
                return failed(endpoint, transport, os_error(error.into())).map(|()| true);
            }
        };
        let data = PyBytes::new(py, &buffer.whole()[..count]);
        drop(buffer);
        let address = self.address_of(py, from)?;
        protocol.call_method1(intern!(py, "datagram_received"), (data, address))?;
        Ok(true)
    }

    /// Returns an address as Python's sockets represent it.
    fn address_of<'py>(
        &self,
        py: Python<'py>,
        from: Option<SocketAddrAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(from) = from else {
            return Ok(py.None().into_bound(py));
        };
        if let Some(known) = &*self.last_from.borrow()
            && known.system == from
        {
            return Ok(known.python.bind(py).clone());
        }
        let python = if let Ok(address) = SocketAddr::try_from(from.clone()) {
            match address {
                SocketAddr::V4(v4) => (v4.ip().to_string(), v4.port())
                    .into_pyobject(py)?
                    .into_any(),
                SocketAddr::V6(v6) => (
                    v6.ip().to_string(),
                    v6.port(),
                    u32::from_be(v6.flowinfo()),
                    v6.scope_id(),
                )
                    .into_pyobject(py)?
                    .into_any(),
            }
        } else if let Ok(unix) = SocketAddrUnix::try_from(from.clone()) {
            unix_name(py, &unix)?
        } else {
            py.None().into_bound(py)
        };
        let known = PeerAddress {
            system: from,
            python: python.clone().unbind(),
        };
        let before = self.last_from.replace(Some(known));
        drop(before);
        Ok(python)
    }

    /// Returns an address as the system represents it; `None` if only Python's socket can convert
    /// it, for example a host name.
    fn resolve(&self, address: &Bound<'_, PyAny>) -> Option<SocketAddrAny> {
        for cell in [&self.last_to, &self.last_from] {
            if let Some(known) = &*cell.borrow()
                && known.python.is(address)
            {
                return Some(known.system.clone());
            }
        }
        let parts = address.cast_exact::<PyTuple>().ok()?;
        let length = parts.len();
        if length < 2 || length > if self.is_v6 { 4 } else { 2 } {
            return None;
        }
        let host = parts.get_item(0).ok()?;
        let host: IpAddr = host
            .cast_exact::<PyString>()
            .ok()?
            .to_str()
            .ok()?
            .parse()
            .ok()?;
        let port = parts.get_item(1).ok()?.extract().ok()?;
        let number = |index| match parts.get_item(index) {
            Ok(number) => number.extract::<u32>().ok(),
            Err(_) => Some(0),
        };
        let system = match host {
            IpAddr::V4(host) if !self.is_v6 => SocketAddrV4::new(host, port).into(),
            IpAddr::V6(host) if self.is_v6 => {
                SocketAddrV6::new(host, port, number(2)?.to_be(), number(3)?).into()
            }
            _ => return None,
        };
        let known = PeerAddress {
            system,
            python: address.clone().unbind(),
        };
        let system = known.system.clone();
        let before = self.last_to.replace(Some(known));
        drop(before);
        Some(system)
    }

    /// Sends one packet natively or, if its address needs that, by Python's socket.
    fn send(
        &self,
        endpoint: &EndpointState,
        transport: &Bound<'_, PyAny>,
        data: &Data<'_>,
        address: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Sent> {
        let bytes = data.as_slice();
        let result = if self.is_connected {
            rustix::net::send(endpoint.fd(), bytes, SendFlags::NOSIGNAL)
        } else if let Some(system) = address.and_then(|address| self.resolve(address)) {
            rustix::net::sendto(endpoint.fd(), bytes, SendFlags::NOSIGNAL, &system)
        } else {
            return send_by_python(transport, bytes, address);
        };
        Ok(match result {
            Ok(_) => Sent::Yes,
            Err(Errno::AGAIN | Errno::INTR) => Sent::Full,
            Err(error) => Sent::Failed(os_error(error.into())),
        })
    }

    /// Sends queued packets until the system has no room.
    fn flush(&self, endpoint: &EndpointState, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = transport.py();
        while !endpoint.is_lost() {
            let Some(packet) = self.queue.borrow_mut().pop_front() else {
                break;
            };
            let data = Data::Bytes(packet.bytes.bind(py).clone());
            let address = packet.address.as_ref().map(|address| address.bind(py));
            match self.send(endpoint, transport, &data, address)? {
                Sent::Full => {
                    self.queue.borrow_mut().push_front(packet);
                    break;
                }
                sent => {
                    let size = data.as_slice().len() + HEADER;
                    endpoint.queued.set(endpoint.queued.get() - size);
                    if let Sent::Failed(error) = sent {
                        failed(endpoint, transport, error)?;
                    }
                }
            }
        }
        if endpoint.is_lost() {
            return Ok(());
        }
        endpoint.flushed(transport, true)
    }
}

/// Returns the name of a Unix socket: a string for a path, bytes for an abstract name, else None.
fn unix_name<'py>(py: Python<'py>, address: &SocketAddrUnix) -> PyResult<Bound<'py, PyAny>> {
    if let Some(name) = address.abstract_name() {
        let bytes: Vec<u8> = [0].into_iter().chain(name.iter().copied()).collect();
        return Ok(PyBytes::new(py, &bytes).into_any());
    }
    match address.path() {
        Some(path) => Ok(OsStr::from_bytes(path.to_bytes())
            .into_pyobject(py)?
            .into_any()),
        None => Ok(py.None().into_bound(py)),
    }
}

/// Sends to an address that only Python's socket can convert.
#[cold]
fn send_by_python(
    transport: &Bound<'_, PyAny>,
    bytes: &[u8],
    address: Option<&Bound<'_, PyAny>>,
) -> PyResult<Sent> {
    let py = transport.py();
    let arguments = (PyBytes::new(py, bytes), address);
    match transport.call_method1(intern!(py, "_send_by_socket"), arguments) {
        Ok(_) => Ok(Sent::Yes),
        Err(error) if error.is_instance_of::<PyBlockingIOError>(py) => Ok(Sent::Full),
        Err(error) => Ok(Sent::Failed(error)),
    }
}
