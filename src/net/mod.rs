//! Sockets on the loop: TCP, UDP and Unix, with std's names and tokio's.
//!
//! Streams are `Send`, cheap to clone (clones are the same socket), and implement futures-io's `AsyncRead` and `AsyncWrite`, as do
//! references to them: one task may read while another writes. With the feature `tokio-io` they implement tokio's, too. Descriptors that
//! are no sockets go by [`Async`](crate::io::Async).

mod address;
mod stream;
mod tcp;
mod udp;
mod unix;

pub use address::ToSocketAddrs;
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
