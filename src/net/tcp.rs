//! TCP.

use std::io;
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::address::{ToSocketAddrs, first};
use super::stream::{Connection, from_std};
use crate::io::{Async, async_traits};

/// How many connections may wait to be accepted; std's own, 128, are too few for a crowd.
const BACKLOG: i32 = 1024;

fn socket_for(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(
        family,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// A connection over TCP. Clones are the same connection; it ends with the last of them.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use qtloop::net::TcpStream;
///
/// let mut stream = TcpStream::connect("localhost:8000").await?;
/// stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
/// let mut page = String::new();
/// stream.read_to_string(&mut page).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TcpStream(Arc<Async<net::TcpStream>>);

async_traits! { [] TcpStream, |stream| Connection(&stream.0, true); [], [] }
from_std! {
    net::TcpStream => TcpStream, |stream| TcpStream(Arc::new(stream));
    net::TcpListener => TcpListener, TcpListener;
}

impl TcpStream {
    /// Connects to the first of these addresses that answers.
    ///
    /// # Errors
    /// That of the last address, or of looking the name up.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    pub async fn connect(addresses: impl ToSocketAddrs) -> io::Result<TcpStream> {
        first(addresses, async |address| {
            let socket = socket_for(address)?;
            match rustix::net::connect(&socket, &address) {
                Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
                Err(error) => return Err(error.into()),
            }
            let stream = TcpStream::try_from(net::TcpStream::from(socket))?;
            stream.0.writable().await?;
            match stream.0.get_ref().take_error()? {
                Some(error) => Err(error),
                None => Ok(stream),
            }
        })
        .await
    }

    /// The other end's address.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }

    /// Our end's address.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// Whether small writes go out at once.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.get_ref().nodelay()
    }

    /// Has small writes go out at once, without waiting for others to go with them.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.get_ref().set_nodelay(nodelay)
    }

    /// Ends one direction, or both. Closing the writer does so for the writing one.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.get_ref().shutdown(how)
    }

    /// Reads without taking; waits until there is something.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|io| io.peek(buffer)).await
    }
}

/// A socket that connections are made to. As a `Stream` it is [`incoming`](TcpListener::incoming).
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use qtloop::{net::TcpListener, spawn_local};
///
/// let listener = TcpListener::bind("localhost:8000").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     spawn_local(async move { futures_lite::io::copy(&stream, &stream).await });
/// }
/// # #[allow(unreachable_code)]
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpListener(Async<net::TcpListener>);

impl TcpListener {
    /// Listens at the first of these addresses that is free; port 0 is any.
    ///
    /// # Errors
    /// That of the last address, or of looking the name up.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    pub async fn bind(addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        first(addresses, async |address| {
            let socket = socket_for(address)?;
            // Or the port of a server that has just ended would be taken for a minute.
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &address)?;
            rustix::net::listen(&socket, BACKLOG)?;
            TcpListener::try_from(net::TcpListener::from(socket))
        })
        .await
    }

    /// The next connection, and whence it comes.
    ///
    /// # Errors
    /// Whatever the operating system says; one that is out of descriptors may be over soon.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = self.0.read_with(net::TcpListener::accept).await?;
        Ok((stream.try_into()?, address))
    }

    /// All connections, one after the other; it does not end by itself.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

impl From<TcpListener> for OwnedFd {
    fn from(listener: TcpListener) -> OwnedFd {
        listener.0.into_inner().into()
    }
}

/// See [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a>(&'a TcpListener);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.0.0.poll_read_with(context, net::TcpListener::accept);
        accepted.map(|accepted| Some(accepted.and_then(|(stream, _)| stream.try_into())))
    }
}
