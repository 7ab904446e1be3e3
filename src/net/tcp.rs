//! TCP.

use std::io;
use std::net::{self, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::address::{ToSocketAddrs, first};
use super::connect::{connect, socket_for};
use super::stream::{Connection, as_std};
use crate::io::{Async, async_traits};
use crate::task::expect_current;

/// How many connections may wait to be accepted. The 128 of std are too few for many clients at
/// once.
const BACKLOG: i32 = 1024;

/// A connection over TCP. Clones are the same connection, which is closed when the last one is
/// dropped.
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
as_std! { shared net::TcpStream => TcpStream }
as_std! { owned net::TcpListener => TcpListener }

impl TcpStream {
    /// Connects to the address that answers first.
    ///
    /// A name may have several addresses. They are tried one after the other, IPv6 and IPv4 in
    /// turn. The next attempt begins when the one before has failed, or after 250 ms. This is
    /// "Happy Eyeballs", [RFC 8305](https://www.rfc-editor.org/rfc/rfc8305). There is no time
    /// limit: see [`timeout`](crate::time::timeout).
    ///
    /// # Errors
    /// Returns the lookup's error, or if all attempts fail, that of the last one.
    ///
    /// # Panics
    /// The thread of the first poll has no [`Loop`](crate::Loop). The stream belongs to that loop.
    pub async fn connect(addresses: impl ToSocketAddrs) -> io::Result<TcpStream> {
        connect(addresses).await.map(TcpStream::new)
    }

    fn new(stream: Async<net::TcpStream>) -> TcpStream {
        TcpStream(Arc::new(stream))
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }

    /// Returns whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.get_ref().nodelay()
    }

    /// Sets whether small writes are sent at once, in place of waiting for more bytes
    /// (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.get_ref().set_nodelay(nodelay)
    }

    /// Returns the time to live of the packets (`IP_TTL`), in hops.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.0.get_ref().ttl()
    }

    /// Sets the time to live of the packets (`IP_TTL`), in hops.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.get_ref().set_ttl(ttl)
    }

    /// Shuts one direction down, or both. Closing the writer does so for writing.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.get_ref().shutdown(how)
    }

    /// Reads bytes and leaves them in the socket's buffer. Waits until there are some.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|io| io.peek(buffer)).await
    }
}

/// A socket that accepts connections. [`incoming`](TcpListener::incoming) is a `Stream` of them.
///
/// The accepted streams belong to the listener's loop, on whatever thread they are accepted.
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
    /// Listens at the first of these addresses that is free. Port 0 is any free port.
    ///
    /// # Errors
    /// Returns the lookup's error, or that of the last address.
    ///
    /// # Panics
    /// The thread of the first poll has no [`Loop`](crate::Loop).
    pub async fn bind(addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let shared = Arc::clone(expect_current("TcpListener::bind()").shared());
        let socket = first(addresses, |address| {
            let socket = socket_for(address)?;
            // Or the port of a server that has just ended would be taken for a minute.
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
            rustix::net::bind(&socket, &address)?;
            rustix::net::listen(&socket, BACKLOG)?;
            Ok(net::TcpListener::from(socket))
        });
        Ok(TcpListener(Async::watched_by(&shared, socket.await?)))
    }

    /// Waits for the next connection. Returns its stream and the peer's address.
    ///
    /// # Errors
    /// Returns the operating system's error. A process without a free descriptor may have one
    /// later. `NotConnected`: the loop is closed.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.adopt(self.0.read_with(net::TcpListener::accept).await)
    }

    /// Polls for the next connection. See [`accept`](TcpListener::accept).
    ///
    /// # Errors
    /// As `accept`.
    pub fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = self.0.poll_read_with(context, net::TcpListener::accept);
        accepted.map(|accepted| self.adopt(accepted))
    }

    fn adopt(
        &self,
        accepted: io::Result<(net::TcpStream, SocketAddr)>,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = accepted?;
        Ok((TcpStream::new(self.0.beside(stream)?), address))
    }

    /// Returns a stream of all connections. It does not end by itself.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// Returns the address that it listens at.
    ///
    /// # Errors
    /// Returns the operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

/// The connections of a [`TcpListener`]. See [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a>(&'a TcpListener);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.0.poll_accept(context);
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}
