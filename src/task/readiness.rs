//! Readiness of one file descriptor, shared by the loop and the tasks that wait for it.
//!
//! An attempt on the descriptor begins with [`Readiness::poll_ready`], on any thread. If the
//! attempt returns `WouldBlock`, it calls [`Readiness::block`], and the next `poll_ready` waits for
//! the event.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustix::io::Errno;

use super::waiters::Waiters;
use crate::driver::Driver;
use crate::reactor::Direction;
use crate::task::{Job, LoopClosed, LoopCore, LoopShared, take_budget};

const DIRECTIONS: [Direction; 2] = [Direction::Read, Direction::Write];

/// The readiness of both directions of a file descriptor.
///
/// The poller is edge-triggered, so a direction counts as ready until an attempt returns
/// `WouldBlock`. It counts as ready at first, too: the poller watches it from the first wait on.
pub(crate) struct Readiness {
    /// It changes only while no direction is watched.
    fd: AtomicI32,
    shared: Arc<LoopShared>,
    directions: Mutex<[DirectionState; 2]>,
    /// [`deregister`](Readiness::deregister) was called.
    is_deregistered: AtomicBool,
}

/// Why the loop cannot watch a direction. It is returned once; the next attempt tries again.
#[derive(Clone, Copy)]
enum Refusal {
    /// Another `Async` waits for this direction of the descriptor.
    Taken,
    /// The operating system refuses.
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

/// One direction.
#[derive(Default)]
struct DirectionState {
    /// It does not count as ready.
    is_blocked: bool,
    /// The poller watches it, or the loop was asked to watch it.
    is_watched: bool,
    /// There was a hang-up, an error or urgent data. The next read after a short one does not wait
    /// then: it may return the end of the file, for which there is no further event.
    is_hung_up: bool,
    /// The number of readiness events so far. A `WouldBlock` counts only if the number is still the
    /// one from before the attempt.
    tick: u32,
    waiters: Waiters,
    refusal: Option<Refusal>,
}

/// The place of one future among the waiters of a direction. Dropping it unregisters the waker.
pub(crate) struct Registration<'a> {
    readiness: &'a Arc<Readiness>,
    direction: Direction,
    /// From the first wait on.
    number: Option<u64>,
}

impl<'a> Registration<'a> {
    pub(crate) fn new(readiness: &'a Arc<Readiness>, direction: Direction) -> Registration<'a> {
        Registration {
            readiness,
            direction,
            number: None,
        }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.readiness.directions()[self.direction as usize]
                .waiters
                .deregister(number);
            drop(waker); // user code, so not under the lock
        }
    }
}

impl Readiness {
    pub(crate) fn new(fd: RawFd, shared: &Arc<LoopShared>) -> Arc<Readiness> {
        Arc::new(Readiness {
            fd: AtomicI32::new(fd),
            shared: Arc::clone(shared),
            directions: Mutex::default(),
            is_deregistered: AtomicBool::new(false),
        })
    }

    fn fd(&self) -> RawFd {
        self.fd.load(Ordering::Acquire)
    }

    /// Sets the descriptor to watch from now on.
    pub(crate) fn set_fd(&self, fd: RawFd) {
        self.fd.store(fd, Ordering::Release);
    }

    /// The loop that watches it.
    pub(crate) fn shared(&self) -> &Arc<LoopShared> {
        &self.shared
    }

    fn directions(&self) -> MutexGuard<'_, [DirectionState; 2]> {
        // Nothing that can panic runs under the lock.
        self.directions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a readiness event of a direction and wakes its waiters. On the loop's thread.
    pub(crate) fn on_event(self: &Arc<Self>, driver: &Driver<Job>, direction: Direction) {
        let mut directions = self.directions();
        let state = &mut directions[direction as usize];
        state.is_blocked = false;
        state.is_hung_up = driver.is_hung_up(self.fd());
        state.tick = state.tick.wrapping_add(1);
        let removed = state.waiters.take();
        drop(directions);
        driver.rearm(self.fd(), direction, |job| self.belongs_to(job));
        let list = removed.wake();
        self.directions()[direction as usize].waiters.reuse(list);
    }

    /// Wakes the waiters of a direction: the loop is closed, and will report no event any more.
    pub(crate) fn end(&self, direction: Direction) {
        self.fail_waiters(direction, None);
    }

    /// Wakes the waiters of a direction that is not watched any more. Their next poll finds out
    /// why.
    fn fail_waiters(&self, direction: Direction, refusal: Option<Refusal>) {
        let mut directions = self.directions();
        let state = &mut directions[direction as usize];
        state.refusal = refusal;
        state.is_watched = false;
        let removed = state.waiters.take();
        drop(directions);
        removed.wake();
    }

    fn belongs_to(self: &Arc<Self>, job: &Job) -> bool {
        job.readiness()
            .is_some_and(|readiness| Arc::ptr_eq(readiness, self))
    }

    /// Returns the number of the latest readiness event, for an attempt without `poll_ready`.
    pub(crate) fn tick(&self, direction: Direction) -> u32 {
        self.directions()[direction as usize].tick
    }

    /// Takes a unit of the task's budget once the direction counts as ready, and returns the number
    /// of the latest readiness event. Waits without a registration are those of `poll_*` methods.
    ///
    /// # Errors
    /// The loop is closed, or cannot watch the direction (see [`Refusal`]).
    pub(crate) fn poll_ready(
        self: &Arc<Self>,
        direction: Direction,
        context: &mut Context<'_>,
        mut registration: Option<&mut Registration<'_>>,
    ) -> Poll<io::Result<u32>> {
        let mut own = None;
        let (removed, is_watched) = loop {
            let mut directions = self.directions();
            let state = &mut directions[direction as usize];
            if !state.is_blocked {
                let tick = state.tick;
                drop(directions);
                return take_budget(context).map(|()| Ok(tick));
            }
            // A closing loop sets `is_gone` first and wakes the waiters second, so a waiter that
            // registers too late still sees it.
            if self.shared.is_gone() {
                return Poll::Ready(Err(LoopClosed.into()));
            }
            if let Some(refusal) = state.refusal.take() {
                return Poll::Ready(Err(refusal.into()));
            }
            let waiters = &mut state.waiters;
            let number = registration
                .as_mut()
                .map(|registration| *registration.number.get_or_insert_with(|| waiters.number()));
            if let Some(removed) = waiters.register(number, context.waker(), &mut own) {
                break (removed, std::mem::replace(&mut state.is_watched, true));
            }
            drop(directions);
            own = Some(context.waker().clone());
        };
        removed.wake();
        if !is_watched {
            self.watch(direction);
        }
        Poll::Pending
    }

    /// Asks the loop to watch a direction. The caller has set `is_watched`.
    fn watch(self: &Arc<Self>, direction: Direction) {
        let readiness = Arc::clone(self);
        self.shared.call(move |core| match core {
            Some(core) => readiness.watch_here(core, direction),
            None => readiness.end(direction),
        });
    }

    fn watch_here(self: &Arc<Self>, core: &LoopCore, direction: Direction) {
        if self.is_deregistered.load(Ordering::Acquire) {
            return;
        }
        let job = Job::ready(Arc::clone(self), direction);
        let replaced = match core.driver.watch_edges(self.fd(), direction, job) {
            Ok(replaced) => replaced,
            Err(error) => {
                let error = Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
                return self.fail_waiters(direction, Some(Refusal::Failed(error)));
            }
        };
        let others = replaced.into_iter().flatten().filter(|job| {
            let other = job.readiness().filter(|_| !self.belongs_to(job));
            other.is_some_and(|other| !other.is_deregistered.load(Ordering::Acquire))
        });
        for job in others {
            // The other `Readiness` was first: give the watch back to it, and refuse this one.
            let _ = core.driver.watch_edges(self.fd(), direction, job);
            self.fail_waiters(direction, Some(Refusal::Taken));
        }
    }

    /// Marks a direction as blocked, unless there was a readiness event after the attempt began.
    pub(crate) fn block(&self, direction: Direction, tick: u32) {
        let state = &mut self.directions()[direction as usize];
        state.is_blocked |= state.tick == tick;
    }

    /// Does what `block` does, for reading, after a short read: the socket's buffer is empty,
    /// unless there was a hang-up.
    pub(crate) fn mark_drained(&self, tick: u32) {
        let state = &mut self.directions()[Direction::Read as usize];
        state.is_blocked |= state.tick == tick && !state.is_hung_up;
    }

    /// Ends the watches, before the descriptor is closed or leaves the `Async`. Wakes no task.
    pub(crate) fn deregister(self: &Arc<Self>) {
        self.is_deregistered.store(true, Ordering::Release);
        if !self.is_watched() {
            return;
        }
        if let Some(core) = self.shared.here() {
            return self.unwatch(&core);
        }
        // The kernel's watch ends on this thread, before the close: it watches the open file, which
        // a duplicate of the descriptor may keep open.
        self.shared.deregister(self.fd());
        let readiness = Arc::clone(self);
        self.shared.call_behind(move |core| {
            if let Some(core) = core {
                readiness.unwatch(core);
                // Another `Async` may watch the other direction.
                core.driver.restore(readiness.fd());
            }
        });
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.directions().iter().any(|state| state.is_watched)
    }

    fn unwatch(self: &Arc<Self>, core: &LoopCore) {
        for direction in DIRECTIONS {
            let job = core
                .driver
                .unwatch(self.fd(), direction, |job| self.belongs_to(job));
            drop(job);
        }
    }

    /// Ends the watches, and returns a `Readiness` without watches that takes over the waiters.
    /// Used by `Async::get_mut`; [`resume`](Readiness::resume) watches again.
    pub(crate) fn renew(self: &Arc<Self>) -> Arc<Readiness> {
        self.deregister();
        let fresh = Readiness::new(self.fd(), &self.shared);
        for (fresh, state) in fresh
            .directions()
            .iter_mut()
            .zip(self.directions().iter_mut())
        {
            fresh.tick = state.tick;
            std::mem::swap(&mut fresh.waiters, &mut state.waiters);
        }
        fresh
    }

    /// Watches the directions that have waiters.
    pub(crate) fn resume(self: &Arc<Self>) {
        for direction in DIRECTIONS {
            let mut directions = self.directions();
            let state = &mut directions[direction as usize];
            if state.waiters.is_empty() || std::mem::replace(&mut state.is_watched, true) {
                continue;
            }
            state.is_blocked = true; // if it is ready, the new watch reports that at once
            drop(directions);
            self.watch(direction);
        }
    }
}
