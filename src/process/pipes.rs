//! The pipes of a child process: [`ChildStdin`], [`ChildStdout`], [`ChildStderr`].

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::process::{self, Stdio};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::io::Async;

/// A pipe type: its file descriptor, and how to pass it to another process.
macro_rules! pipe {
    ($(#[$docs:meta])* $Pipe:ident, $End:ident) => {
        $(#[$docs])*
        ///
        /// The loop of [`Command::spawn`](super::Command::spawn) waits for it; it may be used on
        /// any thread. As a `Stdio` it is one end of a pipe between two children.
        #[derive(Debug)]
        pub struct $Pipe(Async<$End>);

        impl $Pipe {
            pub(super) fn new(pipe: process::$Pipe) -> io::Result<$Pipe> {
                Async::new($End::from(OwnedFd::from(pipe))).map($Pipe)
            }

            /// Converts to the file descriptor, in blocking mode.
            ///
            /// # Errors
            /// The operating system cannot switch the mode.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                let pipe = self.0.into_inner();
                rustix::io::ioctl_fionbio(&pipe, false)?;
                Ok(pipe.into())
            }
        }

        impl AsFd for $Pipe {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        /// The file descriptor stays in non-blocking mode; see `into_owned_fd()`.
        impl From<$Pipe> for OwnedFd {
            fn from(pipe: $Pipe) -> OwnedFd {
                pipe.0.into_inner().into()
            }
        }

        /// In blocking mode, as programs expect it.
        impl From<$Pipe> for Stdio {
            fn from(pipe: $Pipe) -> Stdio {
                let pipe = pipe.0.into_inner();
                // An open pipe has the mode, so this cannot fail.
                let _ = rustix::io::ioctl_fionbio(&pipe, false);
                OwnedFd::from(pipe).into()
            }
        }
    };
}

macro_rules! reads {
    ($Pipe:ident) => {
        impl AsyncRead for $Pipe {
            fn poll_read(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                AsyncRead::poll_read(Pin::new(&mut self.0), context, buffer)
            }

            fn poll_read_vectored(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffers: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                AsyncRead::poll_read_vectored(Pin::new(&mut self.0), context, buffers)
            }
        }

        #[cfg(feature = "tokio-io")]
        impl tokio::io::AsyncRead for $Pipe {
            fn poll_read(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                tokio::io::AsyncRead::poll_read(Pin::new(&mut self.0), context, buffer)
            }
        }
    };
}

pipe! {
    /// The pipe to a child's standard input. Dropping it is the end of the child's input.
    ChildStdin, PipeWriter
}
pipe! {
    /// The pipe from a child's standard output.
    ChildStdout, PipeReader
}
pipe! {
    /// The pipe from a child's standard error.
    ChildStderr, PipeReader
}
reads!(ChildStdout);
reads!(ChildStderr);

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.0), context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(&mut self.0), context, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.0), context)
    }

    /// Has no effect: only dropping it closes the pipe.
    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(Pin::new(&mut self.0), context)
    }
}

#[cfg(feature = "tokio-io")]
impl tokio::io::AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(self, context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, context)
    }

    /// Has no effect: only dropping it closes the pipe.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(self, context)
    }
}

/// Reads to the end.
pub(super) async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let (mut all, Some(mut pipe)) = (Vec::new(), pipe) else {
        return Ok(Vec::new());
    };
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = poll_fn(|context| Pin::new(&mut pipe).poll_read(context, &mut buffer));
        match read.await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}
