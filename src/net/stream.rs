//! What the sockets of all kinds have in common, written once.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::Shutdown;

use crate::io::{Async, Reads, Writes};

/// A stream socket of any kind, as it is read and written, and whether a short read says that there is no more. Over a Unix socket it does
/// not: a read stops where a descriptor was passed.
pub(super) struct Connection<'a, T>(pub(super) &'a Async<T>, pub(super) bool);

impl<T> Connection<'_, T> {
    /// How much a read must bring for there to be more; no read is short of nothing.
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

    /// What is written is with the system already.
    fn poll_flush(&self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that there will be no more; what it has to say can still be read.
    fn poll_close(&self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match rustix::net::shutdown(self.0, Shutdown::Write) {
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

/// std's socket on the loop, by wrapping an `Async` of it, and its descriptor.
macro_rules! from_std {
    ($($Std:ty => $Socket:ident, $wrap:expr);* $(;)?) => {
        $(
            /// # Panics
            /// This thread has no [`Loop`](crate::Loop).
            impl TryFrom<$Std> for $Socket {
                type Error = ::std::io::Error;

                #[track_caller]
                fn try_from(socket: $Std) -> ::std::io::Result<$Socket> {
                    $crate::io::Async::of(concat!("a `", stringify!($Socket), "`"), socket).map($wrap)
                }
            }

            impl ::std::os::fd::AsFd for $Socket {
                fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                    self.0.as_fd()
                }
            }
        )*
    };
}

pub(super) use from_std;
