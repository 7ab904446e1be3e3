//! [`Async`]: any file descriptor, awaited until it is ready.

mod traits;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::contain::contain;
use crate::driver::Driver;
use crate::reactor::Side;
use crate::task::{Gone, Inner, Job, Shared, expect_current, take_budget};

pub(crate) use traits::{Reads, Writes, async_traits};

/// A descriptor's two sides, as the loop and those who wait know them.
///
/// The poller reports changes, so a side counts as ready until an attempt has shown otherwise.
pub(crate) struct Source {
    fd: RawFd,
    shared: Arc<Shared>,
    sides: Mutex<[State; 2]>,
    /// Its descriptor is about to be closed, or is closed.
    is_forgotten: AtomicBool,
}

/// Why nobody will be told of news.
#[derive(Clone, Copy)]
enum Refusal {
    /// The loop is gone.
    Gone,
    /// Another `Async` waits for this side of the descriptor.
    Taken,
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        match refusal {
            Refusal::Gone => Gone.into(),
            Refusal::Taken => io::Error::new(
                io::ErrorKind::AlreadyExists,
                "another `Async` waits for this descriptor: share that one, by `Arc`, in place of making two",
            ),
        }
    }
}

#[derive(Default)]
struct State {
    is_blocked: bool,
    /// The poller looks after it.
    is_watched: bool,
    /// The other end has gone, or there was an error: what is there to read does not end with a short read.
    is_hung_up: bool,
    /// How many times there was news. An attempt that began before the last of it shows nothing.
    news: u32,
    waiting: Vec<Waiting>,
    refusal: Option<Refusal>,
    /// The last number that a [`Place`] got.
    places: u64,
}

struct Waiting {
    waker: Waker,
    /// That of its [`Place`]. Who polls by himself has none, and waits until there is news.
    place: Option<u64>,
}

/// Foreign code, so not under the lock.
fn wake(waiting: &mut Vec<Waiting>) {
    for Waiting { waker, .. } in waiting.drain(..) {
        contain(|| waker.wake());
    }
}

impl State {
    /// Notes who waits, once each; returns the waker that this one was known by.
    fn wait(&mut self, place: Option<u64>, waker: &Waker) -> Option<Waker> {
        let known = self
            .waiting
            .iter_mut()
            .find(|one| one.place == place && (place.is_some() || one.waker.will_wake(waker)));
        match known {
            Some(known) if known.waker.will_wake(waker) => None,
            Some(known) => Some(std::mem::replace(&mut known.waker, waker.clone())),
            None => {
                let waker = waker.clone();
                self.waiting.push(Waiting { waker, place });
                None
            }
        }
    }
}

/// Where a future waits for one side. Dropped, it does not wait any more.
struct Place<'a> {
    source: &'a Arc<Source>,
    side: Side,
    /// From the first wait on.
    number: Option<u64>,
}

impl<'a> Place<'a> {
    fn new(source: &'a Arc<Source>, side: Side) -> Place<'a> {
        Place {
            source,
            side,
            number: None,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.number.is_some() {
            let mut sides = self.source.sides();
            let waiting = &mut sides[self.side as usize].waiting;
            let own = waiting.iter().position(|one| one.place == self.number);
            let waiting = own.map(|own| waiting.swap_remove(own));
            drop(sides);
            drop(waiting); // foreign code, so not under the lock
        }
    }
}

impl Source {
    fn sides(&self) -> MutexGuard<'_, [State; 2]> {
        // Nothing that can panic runs under the lock.
        self.sides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The poller has news of a side; on the loop's thread.
    pub(crate) fn has_news(self: &Arc<Self>, driver: &Driver<Job>, side: Side) {
        let mut sides = self.sides();
        let state = &mut sides[side as usize];
        state.is_blocked = false;
        state.is_hung_up = driver.is_hung_up(self.fd);
        state.news = state.news.wrapping_add(1);
        let mut waiting = std::mem::take(&mut state.waiting);
        drop(sides);
        driver.rearm(self.fd, side, |job| self.is_of(job));
        wake(&mut waiting);
        // The room is kept for the next wait, unless there is one already.
        let state = &mut self.sides()[side as usize];
        if state.waiting.capacity() == 0 {
            state.waiting = waiting;
        }
    }

    /// There will be no news of a side any more.
    pub(crate) fn refuse(&self, side: Side) {
        self.say(side, Refusal::Gone);
    }

    fn say(&self, side: Side, refusal: Refusal) {
        let mut sides = self.sides();
        let state = &mut sides[side as usize];
        state.refusal = Some(refusal);
        state.is_watched = false;
        let mut waiting = std::mem::take(&mut state.waiting);
        drop(sides);
        wake(&mut waiting);
    }

    fn is_of(self: &Arc<Self>, job: &Job) -> bool {
        job.source().is_some_and(|source| Arc::ptr_eq(source, self))
    }

    /// The number of the last news, once the side is ready.
    fn poll_ready(
        self: &Arc<Self>,
        side: Side,
        context: &mut Context<'_>,
        place: Option<&mut Place<'_>>,
    ) -> Poll<io::Result<u32>> {
        let mut sides = self.sides();
        let state = &mut sides[side as usize];
        if !state.is_blocked {
            let news = state.news;
            drop(sides);
            return take_budget(context).map(|()| Ok(news));
        }
        if let Some(refusal) = state.refusal {
            return Poll::Ready(Err(refusal.into()));
        }
        let place = place.map(|place| {
            *place.number.get_or_insert_with(|| {
                state.places += 1;
                state.places
            })
        });
        let before = state.wait(place, context.waker());
        let is_watched = std::mem::replace(&mut state.is_watched, true);
        drop(sides);
        drop(before); // foreign code, so not under the lock
        if !is_watched {
            let source = Arc::clone(self);
            if !self.shared.call(move |inner| source.watch(inner, side)) {
                self.say(side, Refusal::Gone);
                return Poll::Ready(Err(Refusal::Gone.into()));
            }
        }
        Poll::Pending
    }

    fn watch(self: &Arc<Self>, inner: &Inner, side: Side) {
        if self.is_forgotten.load(Ordering::Acquire) {
            return;
        }
        let job = Job::ready(Arc::clone(self), side);
        let Ok(replaced) = inner.driver.watch_edges(self.fd, side, job) else {
            // What cannot be waited for is tried again, and says itself what is wrong.
            self.sides()[side as usize].is_watched = false;
            self.has_news(&inner.driver, side);
            return;
        };
        let others = replaced.into_iter().flatten().filter(|job| {
            let other = job.source().filter(|_| !self.is_of(job));
            other.is_some_and(|other| !other.is_forgotten.load(Ordering::Acquire))
        });
        for job in others {
            // It was first, and would wait for ever.
            let _ = inner.driver.watch_edges(self.fd, side, job);
            self.say(side, Refusal::Taken);
        }
    }

    /// An attempt would have blocked, or has taken all there was; it began after this news.
    fn block(&self, side: Side, news: u32) {
        let state = &mut self.sides()[side as usize];
        state.is_blocked |= state.news == news;
    }

    /// The descriptor is about to be closed.
    fn forget(self: &Arc<Self>) {
        self.is_forgotten.store(true, Ordering::Release);
        let watched = self.sides().each_ref().map(|state| state.is_watched);
        if watched.contains(&true) {
            let source = Arc::clone(self);
            self.shared.call(move |inner| {
                for side in [Side::Read, Side::Write] {
                    let job = inner
                        .driver
                        .unwatch(source.fd, side, |job| source.is_of(job));
                    drop(job);
                }
            });
        }
    }
}

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
    /// found out by the first attempt that blocks; files never do.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn new(io: T) -> io::Result<Async<T>> {
        rustix::io::ioctl_fionbio(&io, true)?;
        let source = Source {
            fd: io.as_fd().as_raw_fd(),
            shared: Arc::clone(expect_current("a socket, pipe or signal").shared()),
            sides: Mutex::default(),
            is_forgotten: AtomicBool::new(false),
        };
        Ok(Async {
            source: Arc::new(source),
            io: Some(io),
        })
    }

    /// Waits until there is something to read, the end, or an error.
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
            let state = &mut self.source.sides()[Side::Read as usize];
            state.is_blocked |= state.news == news && !state.is_hung_up;
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
