//! [`Async`]: any file descriptor, awaited until it is ready.

mod source;
mod traits;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::reactor::Side;
use crate::task::expect_current;

use source::Place;

pub(crate) use source::Source;
pub(crate) use traits::{Reads, Writes, async_traits};

/// A descriptor that does not block, and operations on it that wait for their turn.
///
/// For what [`net`](crate::net) has no type for: pipes, inotify, evdev, a library's own socket. The waiting is done by the loop of
/// the thread that made it; the object may be sent and used anywhere. Several tasks may wait for one side.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use std::io::Read;
/// use qtloop::io::Async;
///
/// let (reader, _writer) = std::io::pipe()?;
/// let reader = Async::new(reader)?;
/// let mut buffer = [0; 64];
/// let count = reader.read_with(|mut reader| reader.read(&mut buffer)).await?;
/// # Ok(())
/// # }
/// ```
pub struct Async<T> {
    source: Arc<Source>,
    /// `None` only in the end.
    io: Option<T>,
}

impl<T: AsFd> Async<T> {
    /// Takes a descriptor over, and switches it to non-blocking.
    ///
    /// # Errors
    /// Whatever the operating system says to that. That a descriptor cannot be waited for, such as a regular file's, is
    /// found out by the first attempt that blocks, and is its error, `Unsupported`; files never block by themselves.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn new(io: T) -> io::Result<Async<T>> {
        Async::of("Async::new()", io)
    }

    /// As `new`, for who has another name.
    #[track_caller]
    pub(crate) fn of(what: &str, io: T) -> io::Result<Async<T>> {
        let event_loop = expect_current(what);
        rustix::io::ioctl_fionbio(&io, true)?;
        Ok(Async {
            source: Source::new(io.as_fd().as_raw_fd(), event_loop.shared()),
            io: Some(io),
        })
    }

    /// Waits until there is something to read, the end, or an error.
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// # let library = qtloop::io::Async::new(std::io::pipe()?.0)?;
    /// // A library that reads by itself, once its descriptor is ready.
    /// library.readable().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Side::Read, PollFlags::IN).await
    }

    /// Waits until there is room to write, or an error.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Side::Write, PollFlags::OUT).await
    }

    /// The caller's own attempts are not known here, so the system is asked.
    async fn ready(&self, side: Side, flags: PollFlags) -> io::Result<()> {
        let mut place = Place::new(&self.source, side);
        loop {
            let ready = poll_fn(|context| self.source.poll_ready(side, context, Some(&mut place)));
            let news = ready.await?;
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            match rustix::event::poll(&mut [PollFd::new(self.get_ref(), flags)], Some(&now)) {
                Ok(0) => self.source.block(side, news),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<T> Async<T> {
    /// What it is made of.
    #[allow(clippy::missing_panics_doc)] // it does not
    pub fn get_ref(&self) -> &T {
        self.io.as_ref().expect("there until the end")
    }

    /// Gives it back; it stays non-blocking.
    #[allow(clippy::missing_panics_doc)] // it does not
    pub fn into_inner(mut self) -> T {
        self.source.forget();
        self.io.take().expect("there until the end")
    }

    /// Does a reading operation as soon as it does not block: `WouldBlock` means to wait and do it again.
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn read_with<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Side::Read, operation).await
    }

    /// Does a writing operation as soon as it does not block: `WouldBlock` means to wait and do it again.
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// use std::io::Write;
    ///
    /// # let writer = qtloop::io::Async::new(std::io::pipe()?.1)?;
    /// let count = writer.write_with(|mut pipe| pipe.write(b"data")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the operation.
    pub async fn write_with<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Side::Write, operation).await
    }

    /// As [`read_with`](Async::read_with), for those who poll.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn poll_read_with<R>(
        &self,
        context: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Side::Read, context, operation)
    }

    /// As [`write_with`](Async::write_with), for those who poll.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn poll_write_with<R>(
        &self,
        context: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Side::Write, context, operation)
    }

    async fn with<R>(
        &self,
        side: Side,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut place = Place::new(&self.source, side);
        let attempts =
            poll_fn(|context| self.poll_attempt(side, context, Some(&mut place), &mut operation));
        attempts.await.1
    }

    fn poll_with<R>(
        &self,
        side: Side,
        context: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_attempt(side, context, None, operation)
            .map(|(_, result)| result)
    }

    /// The operation's result, and the number of the news that it began after.
    fn poll_attempt<R>(
        &self,
        side: Side,
        context: &mut Context<'_>,
        mut place: Option<&mut Place<'_>>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<(u32, io::Result<R>)> {
        loop {
            let place = place.as_deref_mut();
            let news = match ready!(self.source.poll_ready(side, context, place)) {
                Ok(news) => news,
                Err(refused) => return Poll::Ready((0, Err(refused))),
            };
            match operation(self.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.source.block(side, news);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return Poll::Ready((news, other)),
            }
        }
    }

    /// Reads from a stream whose short reads say that there is no more: the next one waits at once, without an attempt.
    pub(crate) fn poll_read_stream(
        &self,
        context: &mut Context<'_>,
        room: usize,
        operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let (news, result) = ready!(self.poll_attempt(Side::Read, context, None, operation));
        if matches!(result, Ok(count) if (1..room).contains(&count)) {
            self.source.exhaust(news);
        }
        Poll::Ready(result)
    }
}

impl<T> Drop for Async<T> {
    fn drop(&mut self) {
        if self.io.is_some() {
            self.source.forget();
        }
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Async").field(&self.io).finish()
    }
}

impl<T> Reads for Async<T>
where
    for<'a> &'a T: io::Read,
{
    fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_with(context, |mut io| io::Read::read(&mut io, buffer))
    }

    fn poll_read_vectored(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_with(context, |mut io| io::Read::read_vectored(&mut io, buffers))
    }
}

impl<T> Writes for Async<T>
where
    for<'a> &'a T: io::Write,
{
    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |mut io| io::Write::write(&mut io, bytes))
    }

    fn poll_write_vectored(
        &self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |mut io| {
            io::Write::write_vectored(&mut io, buffers)
        })
    }

    fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_with(context, |mut io| io::Write::flush(&mut io))
    }

    /// Only to drop it is to close it: a pipe has no other way.
    fn poll_close(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Writes::poll_flush(self, context)
    }
}

async_traits! {
    [T] Async<T>, |this| *this;
    [for<'a> &'a T: io::Read],
    [for<'a> &'a T: io::Write]
}
