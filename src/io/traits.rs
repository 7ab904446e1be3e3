//! The async traits of futures-io, and with the feature `tokio-io` of tokio, for whatever reads and
//! writes by a shared reference.

use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll};

/// Bytes out of something, by reference.
pub(crate) trait Reads {
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    fn poll_read_vectored(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>>;
}

/// Bytes into something, by reference.
pub(crate) trait Writes {
    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    fn poll_write_vectored(
        &self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    fn poll_close(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The traits of all crates for a type: its generics, the type, what of it is `Reads` and `Writes`,
/// and the bounds of each.
///
/// A blanket `impl` would do, if the traits were ours.
macro_rules! async_traits {
    ($generics:tt $Type:ty, |$this:ident| $part:expr; $reads:tt, $writes:tt) => {
        $crate::io::async_traits!(@futures $generics, $Type, &$Type, $this, $part, $reads, $writes);
        $crate::io::async_traits!(@futures $generics, $Type, $Type, $this, $part, $reads, $writes);
        #[cfg(feature = "tokio-io")]
        $crate::io::async_traits!(@tokio $generics, $Type, $this, $part, $reads, $writes);
    };
    (@futures [$($G:ident)?], $Type:ty, $Self:ty, $this:ident, $part:expr, [$($reads:tt)*], [$($writes:tt)*]) => {
        impl$(<$G>)? ::futures_io::AsyncRead for $Self
        where
            $($reads)*
        {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this: &$Type = &self;
                $crate::io::Reads::poll_read(&$part, context, buffer)
            }

            fn poll_read_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffers: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this: &$Type = &self;
                $crate::io::Reads::poll_read_vectored(&$part, context, buffers)
            }
        }

        impl$(<$G>)? ::futures_io::AsyncWrite for $Self
        where
            $($writes)*
        {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_write(&$part, context, bytes)
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffers: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_write_vectored(&$part, context, buffers)
            }

            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_flush(&$part, context)
            }

            fn poll_close(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_close(&$part, context)
            }
        }
    };
    (@tokio [$($G:ident)?], $Type:ty, $this:ident, $part:expr, [$($reads:tt)*], [$($writes:tt)*]) => {
        impl$(<$G>)? ::tokio::io::AsyncRead for $Type
        where
            $($reads)*
        {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffer: &mut ::tokio::io::ReadBuf<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                let $this: &$Type = &self;
                let room = buffer.initialize_unfilled();
                let read = ::std::task::ready!($crate::io::Reads::poll_read(&$part, context, room));
                ::std::task::Poll::Ready(read.map(|count| buffer.advance(count)))
            }
        }

        impl$(<$G>)? ::tokio::io::AsyncWrite for $Type
        where
            $($writes)*
        {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_write(&$part, context, bytes)
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffers: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_write_vectored(&$part, context, buffers)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_flush(&$part, context)
            }

            fn poll_shutdown(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                let $this: &$Type = &self;
                $crate::io::Writes::poll_close(&$part, context)
            }
        }
    };
}

pub(crate) use async_traits;
