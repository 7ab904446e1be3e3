//! What the loop, and those who wait, know of a descriptor.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::io::Errno;

use crate::contain::contain;
use crate::driver::Driver;
use crate::reactor::Side;
use crate::task::{Inner, Job, LoopClosed, Shared, take_budget};

/// A descriptor's two sides.
///
/// The poller reports changes, so a side counts as ready until an attempt has shown otherwise.
pub(crate) struct Source {
    fd: RawFd,
    shared: Arc<Shared>,
    sides: Mutex<[State; 2]>,
    /// Its descriptor is about to be closed, or is closed.
    is_forgotten: AtomicBool,
}

/// Why nobody will be told of news, though the loop is there. Said once; then it is tried again.
#[derive(Clone, Copy)]
enum Refusal {
    /// Another `Async` waits for this side of the descriptor.
    Taken,
    /// The system says so.
    Failed(Errno),
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        match refusal {
            Refusal::Taken => io::Error::new(
                io::ErrorKind::AlreadyExists,
                "another `Async` waits for this descriptor: share that one, by `Arc`, in place of making two",
            ),
            Refusal::Failed(Errno::PERM) => io::Error::new(
                io::ErrorKind::Unsupported,
                "what is always ready, such as a regular file, cannot be waited for: work on it in `unblock()`",
            ),
            Refusal::Failed(error) => error.into(),
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

/// Who polls by himself cannot say that he has given up. When so many wait, all of them are woken, and those that are still there ask again.
const CROWD: usize = 64;

impl State {
    /// Notes who waits, once each, by a waker of its `own`; if that is wanted and missing, does nothing, and returns `None`. Else returns whom to
    /// wake, and leaves in `own` what is not needed any more. To clone a waker, to wake and to drop one is foreign code, so not under the lock.
    fn wait(
        &mut self,
        place: Option<u64>,
        waker: &Waker,
        own: &mut Option<Waker>,
    ) -> Option<Vec<Waiting>> {
        let known = self
            .waiting
            .iter_mut()
            .find(|one| one.place == place && (place.is_some() || one.waker.will_wake(waker)));
        match (known, own) {
            (Some(known), _) if known.waker.will_wake(waker) => Some(Vec::new()),
            (_, None) => None,
            (Some(known), Some(own)) => {
                std::mem::swap(&mut known.waker, own);
                Some(Vec::new())
            }
            (None, own) => {
                let asked = self.make_room();
                let waker = own.take()?;
                self.waiting.push(Waiting { waker, place });
                Some(asked)
            }
        }
    }

    fn make_room(&mut self) -> Vec<Waiting> {
        if self.waiting.len() < CROWD {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.waiting).into_iter();
        let (asked, placed) = all.partition(|one| one.place.is_none());
        self.waiting = placed;
        asked
    }
}

/// Where a future waits for one side. Dropped, it does not wait any more.
pub(super) struct Place<'a> {
    source: &'a Arc<Source>,
    side: Side,
    /// From the first wait on.
    number: Option<u64>,
}

impl<'a> Place<'a> {
    pub(super) fn new(source: &'a Arc<Source>, side: Side) -> Place<'a> {
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
    pub(super) fn new(fd: RawFd, shared: &Arc<Shared>) -> Arc<Source> {
        Arc::new(Source {
            fd,
            shared: Arc::clone(shared),
            sides: Mutex::default(),
            is_forgotten: AtomicBool::new(false),
        })
    }

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

    /// The loop is gone, and there will be no news of a side any more.
    pub(crate) fn end(&self, side: Side) {
        self.unsettle(side, None);
    }

    /// Nobody looks after a side any more. Who waits for it looks again, and finds out why.
    fn unsettle(&self, side: Side, refusal: Option<Refusal>) {
        let mut sides = self.sides();
        let state = &mut sides[side as usize];
        state.refusal = refusal;
        state.is_watched = false;
        let mut waiting = std::mem::take(&mut state.waiting);
        drop(sides);
        wake(&mut waiting);
    }

    fn is_of(self: &Arc<Self>, job: &Job) -> bool {
        job.source().is_some_and(|source| Arc::ptr_eq(source, self))
    }

    /// The number of the last news, once the side is ready.
    pub(super) fn poll_ready(
        self: &Arc<Self>,
        side: Side,
        context: &mut Context<'_>,
        mut place: Option<&mut Place<'_>>,
    ) -> Poll<io::Result<u32>> {
        let mut own = None;
        let (mut asked, is_watched) = loop {
            let mut sides = self.sides();
            let state = &mut sides[side as usize];
            if !state.is_blocked {
                let news = state.news;
                drop(sides);
                return take_budget(context).map(|()| Ok(news));
            }
            // The loop goes first, and tells those who wait after it: who comes too late to be told sees it here.
            if self.shared.is_gone() {
                return Poll::Ready(Err(LoopClosed.into()));
            }
            if let Some(refusal) = state.refusal.take() {
                return Poll::Ready(Err(refusal.into()));
            }
            let place = place.as_mut().map(|place| {
                *place.number.get_or_insert_with(|| {
                    state.places += 1;
                    state.places
                })
            });
            if let Some(asked) = state.wait(place, context.waker(), &mut own) {
                break (asked, std::mem::replace(&mut state.is_watched, true));
            }
            drop(sides);
            own = Some(context.waker().clone());
        };
        wake(&mut asked);
        if !is_watched {
            let source = Arc::clone(self);
            self.shared.call(move |inner| match inner {
                Some(inner) => source.watch(inner, side),
                None => source.end(side),
            });
        }
        Poll::Pending
    }

    fn watch(self: &Arc<Self>, inner: &Inner, side: Side) {
        if self.is_forgotten.load(Ordering::Acquire) {
            return;
        }
        let job = Job::ready(Arc::clone(self), side);
        let replaced = match inner.driver.watch_edges(self.fd, side, job) {
            Ok(replaced) => replaced,
            Err(error) => {
                let error = Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
                return self.unsettle(side, Some(Refusal::Failed(error)));
            }
        };
        let others = replaced.into_iter().flatten().filter(|job| {
            let other = job.source().filter(|_| !self.is_of(job));
            other.is_some_and(|other| !other.is_forgotten.load(Ordering::Acquire))
        });
        for job in others {
            // It was first, and would wait for ever.
            let _ = inner.driver.watch_edges(self.fd, side, job);
            self.unsettle(side, Some(Refusal::Taken));
        }
    }

    /// An attempt would have blocked; it began after this news.
    pub(super) fn block(&self, side: Side, news: u32) {
        let state = &mut self.sides()[side as usize];
        state.is_blocked |= state.news == news;
    }

    /// An attempt has read all there was, as a short read shows; it began after this news.
    pub(super) fn exhaust(&self, news: u32) {
        let state = &mut self.sides()[Side::Read as usize];
        state.is_blocked |= state.news == news && !state.is_hung_up;
    }

    /// The descriptor is about to be closed.
    pub(super) fn forget(self: &Arc<Self>) {
        self.is_forgotten.store(true, Ordering::Release);
        let watched = self.sides().each_ref().map(|state| state.is_watched);
        if !watched.contains(&true) {
            return;
        }
        if let Some(inner) = self.shared.here() {
            return self.unwatch(&inner);
        }
        // The poller is told at once: it knows files, and this one may have another descriptor, and live on.
        self.shared.unregister(self.fd);
        let source = Arc::clone(self);
        self.shared.call_behind(move |inner| {
            if let Some(inner) = inner {
                source.unwatch(inner);
                // Another `Async` may have the other side.
                inner.driver.restore(source.fd);
            }
        });
    }

    fn unwatch(self: &Arc<Self>, inner: &Inner) {
        for side in [Side::Read, Side::Write] {
            let job = inner.driver.unwatch(self.fd, side, |job| self.is_of(job));
            drop(job);
        }
    }
}
