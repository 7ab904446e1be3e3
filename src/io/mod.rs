//! [`Async`]: any file descriptor, awaited until it is ready.

mod lend;
mod traits;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::reactor::Direction;
use crate::task::{LoopShared, Readiness, Registration, current, expect_current};

pub use lend::RefMut;

pub(crate) use traits::{Reads, Writes, async_traits};

/// A file descriptor that does not block, with operations that wait until it is ready.
///
/// It is for descriptors that [`net`](crate::net) has no type for: pipes, inotify, evdev, a serial
/// port, a library's own socket. The loop of the thread that made it watches the descriptor. The
/// object may be sent to other threads and used there. Several tasks may wait for one direction.
///
/// The names are those of
/// [`async_io::Async`](https://docs.rs/async-io/2/async_io/struct.Async.html).
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
    readiness: Arc<Readiness>,
    /// `None` only after `into_inner` has taken it.
    io: Option<T>,
}

impl<T: AsFd> Async<T> {
    /// Takes over a descriptor and sets `O_NONBLOCK` on it.
    ///
    /// That flag belongs to the *open file description*, which duplicates of the descriptor and
    /// other processes share: a terminal stays non-blocking for the shell that started the
    /// program. Nothing resets it. Read from such a descriptor in
    /// [`unblock`](crate::task::unblock), or open `/dev/tty`, which makes a new description.
    ///
    /// # Errors
    /// Returns the operating system's error. A descriptor that cannot be awaited, such as a regular
    /// file's, is no error here: its operations do not return `WouldBlock`, and one that does
    /// returns `Unsupported`.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn new(io: T) -> io::Result<Async<T>> {
        Async::of("Async::new()", io)
    }

    /// Takes over a descriptor that does not block already, and leaves its flags alone.
    ///
    /// If it does block, its operations block the thread.
    ///
    /// # Errors
    /// None today.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn new_nonblocking(io: T) -> io::Result<Async<T>> {
        let event_loop = expect_current("Async::new_nonblocking()");
        Ok(Async::watched_by(event_loop.shared(), io))
    }

    /// Does what `new` does. `what` names the caller in the message of the panic.
    #[track_caller]
    pub(crate) fn of(what: &str, io: T) -> io::Result<Async<T>> {
        Async::on(expect_current(what).shared(), io)
    }

    /// Does what `of` does, but returns an error on a thread without a loop.
    pub(crate) fn try_of(what: &str, io: T) -> io::Result<Async<T>> {
        match current() {
            Some(event_loop) => Async::on(event_loop.shared(), io),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "{what} needs a loop on this thread: convert it on the thread of a `Loop`, such as in \
                     `Handle::spawn_from_within()`, and send the result here"
                ),
            )),
        }
    }

    /// Takes over a descriptor for the loop that watches this one, on any thread.
    pub(crate) fn beside<U: AsFd>(&self, io: U) -> io::Result<Async<U>> {
        Async::on(self.readiness.shared(), io)
    }

    /// Takes over a descriptor for a loop, and sets `O_NONBLOCK` on it.
    pub(crate) fn on(shared: &Arc<LoopShared>, io: T) -> io::Result<Async<T>> {
        rustix::io::ioctl_fionbio(&io, true)?;
        Ok(Async::watched_by(shared, io))
    }

    /// Takes over a descriptor that does not block.
    pub(crate) fn watched_by(shared: &Arc<LoopShared>, io: T) -> Async<T> {
        Async {
            readiness: Readiness::new(io.as_fd().as_raw_fd(), shared),
            io: Some(io),
        }
    }

    /// Waits until there are bytes to read, the end of the file, or an error.
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
    /// Returns the operating system's error; `NotConnected` if the loop is closed while it waits;
    /// `AlreadyExists` if another `Async` waits for this direction of the same descriptor.
    pub async fn readable(&self) -> io::Result<()> {
        let mut registration = Registration::new(&self.readiness, Direction::Read);
        poll_fn(|context| self.poll_direction(Direction::Read, context, Some(&mut registration)))
            .await
    }

    /// Waits until there is room to write, or an error.
    ///
    /// # Errors
    /// As [`readable`](Async::readable).
    pub async fn writable(&self) -> io::Result<()> {
        let mut registration = Registration::new(&self.readiness, Direction::Write);
        poll_fn(|context| self.poll_direction(Direction::Write, context, Some(&mut registration)))
            .await
    }

    /// Polls for what [`readable`](Async::readable) waits for.
    ///
    /// With [`get_mut`](Async::get_mut) it makes a `poll_read` of a crate whose reads need `&mut`.
    ///
    /// # Errors
    /// As `readable`.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_direction(Direction::Read, context, None)
    }

    /// Polls for what [`writable`](Async::writable) waits for.
    ///
    /// # Errors
    /// As `writable`.
    pub fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_direction(Direction::Write, context, None)
    }

    /// Polls until `poll(2)`, too, reports the direction as ready: the caller's own attempts, and
    /// so their `WouldBlock`, are unknown here.
    fn poll_direction(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        mut registration: Option<&mut Registration<'_>>,
    ) -> Poll<io::Result<()>> {
        let flags = match direction {
            Direction::Read => PollFlags::IN,
            Direction::Write => PollFlags::OUT,
        };
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        loop {
            let registration = registration.as_deref_mut();
            let tick = ready!(self.readiness.poll_ready(direction, context, registration))?;
            match rustix::event::poll(&mut [PollFd::new(self.get_ref(), flags)], Some(&now)) {
                Ok(0) => self.readiness.block(direction, tick),
                Ok(_) => return Poll::Ready(Ok(())),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl<T> Async<T> {
    /// Returns a reference to the object.
    #[allow(clippy::missing_panics_doc)] // it does not
    pub fn get_ref(&self) -> &T {
        self.io.as_ref().expect("there until the end")
    }

    /// Ends the watch and returns the object. `O_NONBLOCK` stays set.
    #[allow(clippy::missing_panics_doc)] // it does not
    pub fn into_inner(mut self) -> T {
        self.readiness.deregister();
        self.io.take().expect("there until the end")
    }

    /// Runs a reading operation until it returns something else than `WouldBlock`, and waits
    /// before each further attempt.
    ///
    /// # Errors
    /// Returns the operation's error; `NotConnected` and `AlreadyExists` as
    /// [`readable`](Async::readable); `Unsupported` if the operation returns `WouldBlock` but the
    /// descriptor cannot be awaited.
    pub async fn read_with<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Direction::Read, operation).await
    }

    /// Runs a writing operation until it returns something else than `WouldBlock`, and waits
    /// before each further attempt.
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
    /// As [`read_with`](Async::read_with).
    pub async fn write_with<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Direction::Write, operation).await
    }

    /// Polls for the result of [`read_with`](Async::read_with).
    ///
    /// # Errors
    /// As `read_with`.
    pub fn poll_read_with<R>(
        &self,
        context: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Read, context, operation)
    }

    /// Polls for the result of [`write_with`](Async::write_with).
    ///
    /// # Errors
    /// As `write_with`.
    pub fn poll_write_with<R>(
        &self,
        context: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Write, context, operation)
    }

    async fn with<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut registration = Registration::new(&self.readiness, direction);
        let attempts = poll_fn(|context| {
            self.poll_attempt(direction, context, Some(&mut registration), &mut operation)
        });
        attempts.await.1
    }

    fn poll_with<R>(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_attempt(direction, context, None, operation)
            .map(|(_, result)| result)
    }

    /// Returns the operation's result, and the number of the latest readiness event before it.
    fn poll_attempt<R>(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        mut registration: Option<&mut Registration<'_>>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<(u32, io::Result<R>)> {
        loop {
            let registration = registration.as_deref_mut();
            let tick = match ready!(self.readiness.poll_ready(direction, context, registration)) {
                Ok(tick) => tick,
                Err(refused) => return Poll::Ready((0, Err(refused))),
            };
            match operation(self.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.block(direction, tick);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return Poll::Ready((tick, other)),
            }
        }
    }

    /// Reads from a stream whose short reads mean that its buffer is empty: the next read waits
    /// without an attempt. A short read is one of fewer bytes than `room`; zero turns this off.
    pub(crate) fn poll_read_stream(
        &self,
        context: &mut Context<'_>,
        room: usize,
        operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let (tick, result) = ready!(self.poll_attempt(Direction::Read, context, None, operation));
        if matches!(result, Ok(count) if (1..room).contains(&count)) {
            self.readiness.mark_drained(tick);
        }
        Poll::Ready(result)
    }
}

impl<T> Drop for Async<T> {
    fn drop(&mut self) {
        if self.io.is_some() {
            self.readiness.deregister();
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

    /// Flushes. A pipe is closed by its drop, and in no other way.
    fn poll_close(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Writes::poll_flush(self, context)
    }
}

async_traits! {
    [T] Async<T>, |this| *this;
    [for<'a> &'a T: io::Read],
    [for<'a> &'a T: io::Write]
}
