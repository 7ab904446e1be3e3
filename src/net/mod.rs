//! Sockets on the loop: TCP, UDP and Unix, with the names of std and tokio.
//!
//! Streams are `Send` and cheap to clone; clones are the same socket. A stream belongs to the loop
//! that made it, or to the loop of the listener that accepted it, and is used on any thread.
//! Descriptors that are no sockets are for [`Async`](crate::io::Async).
//!
//! Streams and references to them implement `AsyncRead` and `AsyncWrite` of the crate `futures-io`,
//! so one task may read while another one writes. With the feature `tokio-io` streams, though not
//! references to them, implement tokio's traits of those names too. A scope that imports both
//! `AsyncReadExt` (or both `AsyncWriteExt`) makes calls such as `stream.read(..)` ambiguous
//! (E0034): import one of them per scope. Without the feature,
//! [`tokio_util::compat`](https://docs.rs/tokio-util/latest/tokio_util/compat/index.html) wraps a
//! stream for tokio's traits.

mod address;
mod connect;
mod stream;
mod tcp;
mod udp;
mod unix;

pub use address::{ToSocketAddrs, lookup_host};
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixIncoming, UnixListener, UnixStream};
