//! The runtime traits of hyper: [`Io`] for a stream, [`Executor`] for tasks, [`Timer`] for time.
//!
//! Clients and servers are ordinary tasks, and their futures need not be `Send`: a handler may hold
//! widgets and `Rc`s. The features of [hyper](https://docs.rs/hyper) select the versions of HTTP.
//!
//! For TLS, wrap the stream of the crate `futures-rustls`:
//! `Io::new(connector.connect(name, stream).await?)`. The `name` is that of the host, such as
//! `ServerName::try_from("example.org")?`. The example `fetch` does this.
//!
//! A client:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use http_body_util::{BodyExt, Empty};
//! use hyper::{Request, body::Bytes, client::conn::http1};
//! use qtloop::{hyper::Io, net::TcpStream, spawn_local};
//!
//! let stream = TcpStream::connect("localhost:8000").await?;
//! let (mut sender, connection) = http1::handshake(Io::new(stream)).await?;
//! spawn_local(connection); // runs until the sender is dropped
//! let request = Request::get("/").header("host", "localhost").body(Empty::<Bytes>::new())?;
//! let response = sender.send_request(request).await?;
//! println!("{} {:?}", response.status(), response.collect().await?.to_bytes());
//! # Ok(())
//! # }
//! ```
//!
//! A server:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::convert::Infallible;
//!
//! use http_body_util::Full;
//! use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
//! use qtloop::{hyper::{Io, Timer}, net::TcpListener, spawn_local};
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(Response::new("hello".into()))
//! }
//!
//! let listener = TcpListener::bind("localhost:8000").await?;
//! loop {
//!     let (stream, _) = listener.accept().await?;
//!     let mut server = http1::Builder::new();
//!     server.timer(Timer); // ends a connection whose request head does not arrive
//!     spawn_local(server.serve_connection(Io::new(stream), service_fn(hello)));
//! }
//! # }
//! ```

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::hyper::rt;
use futures_io::{AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;

use crate::task::expect_current;
use crate::time::{self, Sleep};

pin_project! {
    /// A wrapper that implements hyper's traits for any futures-io stream. It is `Send` and `Sync`
    /// if the stream is.
    ///
    /// Bytes are read into hyper's own buffer. Several buffers are written by one call of the
    /// stream's `poll_write_vectored`; a stream that does not implement it writes the first one.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Io<T> {
        #[pin]
        stream: T,
    }
}

impl<T> Io<T> {
    /// Wraps a stream.
    pub const fn new(stream: T) -> Io<T> {
        Io { stream }
    }

    /// Returns the stream.
    pub const fn get_ref(&self) -> &T {
        &self.stream
    }

    /// Returns the stream. hyper does not see what is read or written directly.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Returns the stream, for example after an upgrade.
    pub fn into_inner(self) -> T {
        self.stream
    }
}

impl<T: AsyncRead> rt::Read for Io<T> {
    #[allow(unsafe_code)] // hyper has no safe way to report how much was read
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.initialize_unfilled();
        let length = room.len();
        let count = ready!(self.project().stream.poll_read(context, room))?;
        assert!(count <= length, "a stream has read more than it was to");
        // SAFETY: all of `room` was initialised above, and `count` is not larger.
        unsafe { buffer.advance(count) };
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> rt::Write for Io<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_close(context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(context, pieces)
    }
}

/// Spawns hyper's background futures as tasks of this thread's loop; they need not be `Send`.
///
/// ```no_run
/// use hyper::rt::Executor as _;
///
/// // hyper's HTTP/2 calls it: `http2::handshake(Executor, io)`.
/// qtloop::hyper::Executor.execute(async { println!("a task") });
/// ```
///
/// # Panics
/// On use: the thread has no [`Loop`](crate::Loop).
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> rt::Executor<F> for Executor
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        drop(expect_current("hyper's `Executor`").spawn(future));
    }
}

/// Timers for hyper's timeouts, by [`time::Sleep`] on the loop of the thread that creates them.
///
/// ```no_run
/// let mut server = hyper::server::conn::http1::Builder::new();
/// server.timer(qtloop::hyper::Timer).header_read_timeout(std::time::Duration::from_secs(5));
/// ```
///
/// # Panics
/// On use: the thread has no [`Loop`](crate::Loop).
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep::of("hyper's `Timer`", duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep::until("hyper's `Timer`", time::moment(deadline)))
    }

    fn now(&self) -> Instant {
        time::now()
    }

    /// Resets in place, without a new box.
    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(mut own) => own.reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl rt::Sleep for time::Sleep {}
