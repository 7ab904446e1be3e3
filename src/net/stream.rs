//! What the sockets of all kinds have in common, written once.

/// futures-io's traits for `$Stream` and `&$Stream`, a tuple struct of `Arc<Async<...>>`.
macro_rules! stream_traits {
    ($Stream:ty) => {
        impl ::futures_io::AsyncRead for &$Stream {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let room = buffer.len();
                self.0.poll_read_stream(context, room, |mut io| {
                    ::std::io::Read::read(&mut io, buffer)
                })
            }

            fn poll_read_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffers: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let room = buffers.iter().map(|buffer| buffer.len()).sum();
                self.0.poll_read_stream(context, room, |mut io| {
                    ::std::io::Read::read_vectored(&mut io, buffers)
                })
            }
        }

        impl ::futures_io::AsyncWrite for &$Stream {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.0
                    .poll_write_with(context, |mut io| ::std::io::Write::write(&mut io, bytes))
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffers: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.0.poll_write_with(context, |mut io| {
                    ::std::io::Write::write_vectored(&mut io, buffers)
                })
            }

            /// What is written is with the system already.
            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                _context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::task::Poll::Ready(Ok(()))
            }

            /// Tells the peer that there will be no more; what it has to say can still be read.
            fn poll_close(
                self: ::std::pin::Pin<&mut Self>,
                _context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::task::Poll::Ready(
                    match self.0.get_ref().shutdown(::std::net::Shutdown::Write) {
                        Err(error) if error.kind() == ::std::io::ErrorKind::NotConnected => Ok(()),
                        other => other,
                    },
                )
            }
        }

        impl ::futures_io::AsyncRead for $Stream {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::std::pin::Pin::new(&mut &*self).poll_read(context, buffer)
            }

            fn poll_read_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffers: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::std::pin::Pin::new(&mut &*self).poll_read_vectored(context, buffers)
            }
        }

        impl ::futures_io::AsyncWrite for $Stream {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::std::pin::Pin::new(&mut &*self).poll_write(context, bytes)
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
                buffers: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                ::std::pin::Pin::new(&mut &*self).poll_write_vectored(context, buffers)
            }

            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::pin::Pin::new(&mut &*self).poll_flush(context)
            }

            fn poll_close(
                self: ::std::pin::Pin<&mut Self>,
                context: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::pin::Pin::new(&mut &*self).poll_close(context)
            }
        }
    };
}

/// std's socket on the loop, by wrapping an `Async` of it, and its descriptor.
macro_rules! from_std {
    ($($Std:ty => $Socket:ident, $wrap:expr);* $(;)?) => {
        $(
            /// # Panics
            /// This thread has no [`Loop`](crate::Loop).
            impl TryFrom<$Std> for $Socket {
                type Error = ::std::io::Error;

                fn try_from(socket: $Std) -> ::std::io::Result<$Socket> {
                    $crate::io::Async::new(socket).map($wrap)
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

pub(super) use {from_std, stream_traits};
