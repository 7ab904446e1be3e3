//! Unix sockets.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::stream::{Connection, from_std};
use crate::io::{Async, async_traits};

/// A connection over a Unix socket. Clones are the same connection; it ends with the last of them.
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

impl UnixStream {
    /// Connects to the socket at a path.
    ///
    /// # Errors
    /// Whatever the operating system says; `WouldBlock` if the listener's queue is full.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // It is done at once, or not at all.
        rustix::net::connect(&socket, &SocketAddrUnix::new(path.as_ref())?)?;
        net::UnixStream::from(socket).try_into()
    }

    /// Two ends of a connection.
    ///
    /// # Errors
    /// Whatever the operating system says.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = net::UnixStream::pair()?;
        Ok((one.try_into()?, other.try_into()?))
    }

    /// Our end's address.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// The other end's address.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }

    /// Ends one direction, or both. Closing the writer does so for the writing one.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.get_ref().shutdown(how)
    }
}

/// A socket at a path that connections are made to. The path stays when it is dropped.
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
    /// Listens at a path, where there must be nothing yet.
    ///
    /// # Errors
    /// Whatever the operating system says.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        net::UnixListener::bind(path)?.try_into()
    }

    /// The next connection, and whence it comes.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, address) = self.0.read_with(net::UnixListener::accept).await?;
        Ok((stream.try_into()?, address))
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
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
    /// A socket at a path, where there must be nothing yet.
    ///
    /// # Errors
    /// Whatever the operating system says.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind(path)?.try_into()
    }

    /// A socket without an address.
    ///
    /// # Errors
    /// Whatever the operating system says.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        net::UnixDatagram::unbound()?.try_into()
    }

    /// Two sockets that are connected.
    ///
    /// # Errors
    /// Whatever the operating system says.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = net::UnixDatagram::pair()?;
        Ok((one.try_into()?, other.try_into()?))
    }

    /// Sends to, and hears of, this path only.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.0.get_ref().connect(path)
    }

    /// Sends one datagram to a path; returns its length.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        self.0.write_with(|io| io.send_to(bytes, path)).await
    }

    /// Takes one datagram; returns its length, and whence it comes. What the buffer has no room for is lost.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.read_with(|io| io.recv_from(buffer)).await
    }

    /// As [`send_to`](UnixDatagram::send_to), to where it is connected.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_with(|io| io.send(bytes)).await
    }

    /// As [`recv_from`](UnixDatagram::recv_from), without the address.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|io| io.recv(buffer)).await
    }

    /// The address it is at.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

from_std! {
    net::UnixStream => UnixStream, |socket| UnixStream(Arc::new(socket));
    net::UnixListener => UnixListener, UnixListener;
    net::UnixDatagram => UnixDatagram, |socket| UnixDatagram(Arc::new(socket));
}
