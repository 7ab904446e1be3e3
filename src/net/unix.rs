//! Unix sockets.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::stream::{Connection, as_std};
use crate::io::{Async, async_traits};
use crate::task::{LoopCore, expect_current};

/// A connection over a Unix socket. Clones are the same connection, which is closed when the last
/// one is dropped.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use futures_lite::AsyncWriteExt;
/// use qtloop::net::UnixStream;
///
/// let mut stream = UnixStream::connect("/run/service.sock").await?;
/// stream.write_all(b"status\n").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UnixStream(Arc<Async<net::UnixStream>>);

async_traits! { [] UnixStream, |stream| Connection(&stream.0, false); [], [] }
as_std! { shared net::UnixStream => UnixStream }
as_std! { owned net::UnixListener => UnixListener }
as_std! { shared net::UnixDatagram => UnixDatagram }

impl UnixStream {
    /// Connects to the socket at a path.
    ///
    /// # Errors
    /// Returns the operating system's error; `WouldBlock` if the listener's queue is full.
    ///
    /// # Panics
    /// The thread of the first poll has no [`Loop`](crate::Loop).
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let event_loop = expect_current("UnixStream::connect()");
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // It succeeds at once, or fails.
        rustix::net::connect(&socket, &SocketAddrUnix::new(path.as_ref())?)?;
        let stream = Async::watched_by(event_loop.shared(), net::UnixStream::from(socket));
        Ok(UnixStream::new(stream))
    }

    /// Returns the two ends of a new connection.
    ///
    /// # Errors
    /// Returns the operating system's error.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let event_loop = expect_current("UnixStream::pair()");
        let (one, other) = net::UnixStream::pair()?;
        let on = |end| Async::on(event_loop.shared(), end).map(UnixStream::new);
        Ok((on(one)?, on(other)?))
    }

    fn new(stream: Async<net::UnixStream>) -> UnixStream {
        UnixStream(Arc::new(stream))
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }

    /// Shuts one direction down, or both. Closing the writer does so for writing.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.get_ref().shutdown(how)
    }
}

/// A socket at a path that accepts connections. The path stays when the socket is dropped.
///
/// The accepted streams belong to the listener's loop, on whatever thread they are accepted.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use qtloop::net::UnixListener;
///
/// let listener = UnixListener::bind("/tmp/one-instance.sock")?;
/// let (stream, _) = listener.accept().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UnixListener(Async<net::UnixListener>);

impl UnixListener {
    /// Listens at a path, which must not exist yet.
    ///
    /// # Errors
    /// Returns the operating system's error.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let event_loop = expect_current("UnixListener::bind()");
        Async::on(event_loop.shared(), net::UnixListener::bind(path)?).map(UnixListener)
    }

    /// Waits for the next connection. Returns its stream and the peer's address.
    ///
    /// # Errors
    /// Returns the operating system's error. `NotConnected`: the loop is closed.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.adopt(self.0.read_with(net::UnixListener::accept).await)
    }

    /// Polls for the next connection. See [`accept`](UnixListener::accept).
    ///
    /// # Errors
    /// As `accept`.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let accepted = self.0.poll_read_with(context, net::UnixListener::accept);
        accepted.map(|accepted| self.adopt(accepted))
    }

    fn adopt(
        &self,
        accepted: io::Result<(net::UnixStream, SocketAddr)>,
    ) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, address) = accepted?;
        Ok((UnixStream::new(self.0.beside(stream)?), address))
    }

    /// Returns a stream of all connections. It does not end by itself.
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming(self)
    }

    /// Returns the address that it listens at.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

/// The connections of a [`UnixListener`]. See [`UnixListener::incoming`].
#[derive(Debug)]
pub struct UnixIncoming<'a>(&'a UnixListener);

impl Stream for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.0.poll_accept(context);
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}

/// A Unix socket for datagrams. Clones are the same socket.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use qtloop::net::UnixDatagram;
///
/// let (one, other) = UnixDatagram::pair()?;
/// one.send(b"whole").await?;
/// let mut buffer = [0; 64];
/// assert_eq!(other.recv(&mut buffer).await?, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UnixDatagram(Arc<Async<net::UnixDatagram>>);

impl UnixDatagram {
    /// Makes a socket at a path, which must not exist yet.
    ///
    /// # Errors
    /// Returns the operating system's error.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        let event_loop = expect_current("UnixDatagram::bind()");
        UnixDatagram::on(&event_loop, net::UnixDatagram::bind(path)?)
    }

    /// Makes a socket without an address.
    ///
    /// # Errors
    /// Returns the operating system's error.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        let event_loop = expect_current("UnixDatagram::unbound()");
        UnixDatagram::on(&event_loop, net::UnixDatagram::unbound()?)
    }

    /// Makes two sockets that are connected.
    ///
    /// # Errors
    /// Returns the operating system's error.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let event_loop = expect_current("UnixDatagram::pair()");
        let (one, other) = net::UnixDatagram::pair()?;
        let on = |end| UnixDatagram::on(&event_loop, end);
        Ok((on(one)?, on(other)?))
    }

    fn on(event_loop: &LoopCore, socket: net::UnixDatagram) -> io::Result<UnixDatagram> {
        Async::on(event_loop.shared(), socket).map(|socket| UnixDatagram(Arc::new(socket)))
    }

    /// Connects to a path: sends to it, and receives from it only.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.0.get_ref().connect(path)
    }

    /// Sends one datagram to a path, and returns its length.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        self.0.write_with(|io| io.send_to(bytes, path)).await
    }

    /// Receives one datagram. Returns its length and the sender's address. Bytes beyond the buffer
    /// are lost.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.read_with(|io| io.recv_from(buffer)).await
    }

    /// Sends one datagram to the connected peer. See [`send_to`](UnixDatagram::send_to).
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_with(|io| io.send(bytes)).await
    }

    /// Receives one datagram, and returns its length. See [`recv_from`](UnixDatagram::recv_from).
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|io| io.recv(buffer)).await
    }

    /// Returns the address of the socket.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}
