//! The code that all kinds of sockets share.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::io::{Async, Reads, Writes};

/// A stream socket of any kind, and whether a short read means that its buffer is empty. On a Unix
/// socket it does not: a read ends where a descriptor was passed.
pub(super) struct Connection<'a, T>(pub(super) &'a Async<T>, pub(super) bool);

impl<T> Connection<'_, T> {
    /// Returns the length below which a read is a short one. No read is shorter than 0.
    fn room(&self, bytes: usize) -> usize {
        if self.1 { bytes } else { 0 }
    }
}

impl<T> Reads for Connection<'_, T>
where
    for<'a> &'a T: io::Read,
{
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = self.room(buffer.len());
        self.0
            .poll_read_stream(context, room, |mut io| io::Read::read(&mut io, buffer))
    }

    fn poll_read_vectored(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = self.room(buffers.iter().map(|buffer| buffer.len()).sum());
        self.0.poll_read_stream(context, room, |mut io| {
            io::Read::read_vectored(&mut io, buffers)
        })
    }
}

impl<T: AsFd> Writes for Connection<'_, T>
where
    for<'a> &'a T: io::Write,
{
    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        &self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write_vectored(context, buffers)
    }

    /// Does nothing: written bytes are in the socket's buffer already.
    fn poll_flush(&self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Shuts the writing direction down. Reading goes on.
    fn poll_close(&self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match rustix::net::shutdown(self.0, Shutdown::Write) {
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

/// Conversions from and to the sockets of std, and the descriptor.
///
/// A `shared` type holds an `Arc<Async<Std>>`, and its clones are one socket; an `owned` type holds
/// an `Async<Std>`.
macro_rules! as_std {
    (@common $Std:ty, $Socket:ident, $wrap:expr) => {
        /// Takes over a socket of std and sets `O_NONBLOCK` on it, which duplicates of it share.
        ///
        /// The loop of this thread watches it. A thread without a [`Loop`](crate::Loop) is the
        /// error `NotFound`.
        impl TryFrom<$Std> for $Socket {
            type Error = ::std::io::Error;

            fn try_from(socket: $Std) -> ::std::io::Result<$Socket> {
                let what = concat!("a `", stringify!($Socket), "`");
                $crate::io::Async::try_of(what, socket).map($wrap)
            }
        }

        impl ::std::os::fd::AsFd for $Socket {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
    };
    (shared $Std:ty => $Socket:ident) => {
        $crate::net::stream::as_std!(@common $Std, $Socket, |socket| $Socket(socket.into()));

        impl $Socket {
            /// Returns the socket of std. It stays non-blocking, as
            /// [tokio's](https://docs.rs/tokio/latest/tokio/net/struct.TcpStream.html#method.into_std)
            /// does; its `set_nonblocking(false)` changes that.
            ///
            /// If there are clones, it is a duplicate of the descriptor, for the same socket, and
            /// the clones go on working. They share the flag that `set_nonblocking` sets.
            ///
            /// # Errors
            /// There are clones, and the process has no descriptor left.
            pub fn into_std(self) -> ::std::io::Result<$Std> {
                match ::std::sync::Arc::try_unwrap(self.0) {
                    Ok(only) => Ok(only.into_inner()),
                    Err(clone) => clone.get_ref().try_clone(),
                }
            }
        }

        /// The descriptor of `into_std`, with its errors.
        impl TryFrom<$Socket> for ::std::os::fd::OwnedFd {
            type Error = ::std::io::Error;

            fn try_from(socket: $Socket) -> ::std::io::Result<::std::os::fd::OwnedFd> {
                socket.into_std().map(Into::into)
            }
        }
    };
    (owned $Std:ty => $Socket:ident) => {
        $crate::net::stream::as_std!(@common $Std, $Socket, $Socket);

        impl $Socket {
            /// Returns the socket of std. It stays non-blocking, as
            /// [tokio's](https://docs.rs/tokio/latest/tokio/net/struct.TcpListener.html#method.into_std)
            /// does; its `set_nonblocking(false)` changes that.
            ///
            /// # Errors
            /// None today.
            pub fn into_std(self) -> ::std::io::Result<$Std> {
                Ok(self.0.into_inner())
            }
        }

        impl From<$Socket> for ::std::os::fd::OwnedFd {
            fn from(socket: $Socket) -> ::std::os::fd::OwnedFd {
                socket.0.into_inner().into()
            }
        }
    };
}

pub(super) use as_std;
