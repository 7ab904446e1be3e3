//! The way into a loop from other threads, and for as long as anybody likes.

use std::fmt;
use std::future::Future;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::join::JoinHandle;
use super::{Inner, Job, cell, current, expect_current};
use crate::reactor::{Poller, Remote};

/// What all who are not on the loop's thread share.
pub(crate) struct Shared {
    remote: Remote<Job>,
    /// For people. The loop goes by its thread's mark.
    thread: ThreadId,
    mark: usize,
    /// The loop's poller, for the threads that close what it watches.
    poller: Mutex<Option<Poller>>,
    is_gone: AtomicBool,
}

/// Tells threads apart at the price of an address. A thread that has ended may pass its mark on.
fn mark() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    // At the thread's end too: a byte needs no destructor.
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

impl Shared {
    pub(super) fn new(remote: Remote<Job>, poller: Poller) -> Arc<Shared> {
        Arc::new(Shared {
            remote,
            thread: thread::current().id(),
            mark: mark(),
            poller: Mutex::new(Some(poller)),
            is_gone: AtomicBool::new(false),
        })
    }

    /// The loop, if this is its thread and it is not gone.
    pub(crate) fn here(self: &Arc<Self>) -> Option<Rc<Inner>> {
        current().filter(|inner| Arc::ptr_eq(&inner.shared, self))
    }

    /// Whether this is the loop's thread, also after the loop.
    pub(super) fn is_here(&self) -> bool {
        self.mark == mark()
    }

    /// The loop goes.
    pub(super) fn end(&self) {
        self.is_gone.store(true, Ordering::Release);
        drop(self.poller().take());
    }

    fn poller(&self) -> MutexGuard<'_, Option<Poller>> {
        // Nothing that can panic runs under the lock.
        self.poller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The poller forgets a descriptor.
    pub(crate) fn unregister(&self, fd: RawFd) {
        if let Some(poller) = &*self.poller() {
            poller.forget(fd);
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// From another thread. The job comes back if the loop is gone.
    pub(super) fn send(&self, job: Job) -> Result<(), Job> {
        self.remote.send(job)
    }

    /// Does something on the loop's thread, at once if this is it; or wherever it finds out that the loop is gone, and is told so.
    pub(crate) fn call(self: &Arc<Self>, work: impl FnOnce(Option<&Inner>) + Send + 'static) {
        match self.here() {
            Some(inner) => work(Some(&inner)),
            None => self.call_behind(work),
        }
    }

    /// As `call`, but on this thread too behind all that others have sent.
    pub(crate) fn call_behind(&self, work: impl FnOnce(Option<&Inner>) + Send + 'static) {
        if let Err(Job::Call(work)) = self.remote.send(Job::call(work)) {
            work(None);
        }
    }

    /// Does something on the loop's thread, on this one too behind all that is ready; or nothing, if the loop goes before.
    pub(super) fn push(
        self: &Arc<Self>,
        work: impl FnOnce(&Inner) + Send + 'static,
    ) -> Result<(), Gone> {
        let job = Job::call(|inner| inner.map_or((), work));
        match self.here() {
            Some(inner) => inner.driver.push(job),
            None => self.remote.send(job).map_err(|_| Gone)?,
        }
        Ok(())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Loop").field(&self.thread).finish()
    }
}

/// A way into a [`Loop`](super::Loop), from any thread. It does not keep the loop alive.
///
/// ```no_run
/// # let event_loop = qtloop::Loop::attach()?;
/// let handle = event_loop.handle();
/// std::thread::spawn(move || {
///     // Made on the loop's thread, so it may hold an `Rc`.
///     handle.spawn_from_within(|| async {
///         let count = std::rc::Rc::new(1);
///         qtloop::task::yield_now().await;
///         *count
///     });
///     handle.spawn(async { println!("a task") });
///     handle.invoke(|| qtloop::quit(0))
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Handle(pub(crate) Arc<Shared>);

/// The loop is gone: nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

plain_error!(Gone, NotConnected, "the event loop is gone");

impl Handle {
    /// That of this thread's loop, to be taken elsewhere.
    ///
    /// # Panics
    /// This thread has no [`Loop`](super::Loop).
    #[must_use]
    #[track_caller]
    pub fn current() -> Handle {
        Handle(Arc::clone(expect_current("Handle::current()").shared()))
    }

    /// Runs a future as a task on the loop's thread. If the loop is gone, the result is [`JoinError::Aborted`](super::JoinError::Aborted).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.begin(future)
    }

    /// As [`spawn`](Handle::spawn), for a future that is made on the loop's thread, and so may hold what is not `Send`.
    #[track_caller]
    pub fn spawn_from_within<F, M>(&self, make: M) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: Send + 'static,
        M: FnOnce() -> F + Send + 'static,
    {
        // Until it is polled, this future holds `make` and nothing else, which may be dropped anywhere.
        self.begin(async move { make().await })
    }

    #[track_caller]
    fn begin<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (task, claim) = cell::task(&self.0, future);
        match self.0.here() {
            Some(inner) => task.begin(&inner),
            // A loop that is gone hands the task back, which ends it.
            None => drop(self.0.send(Job::Begin(task))),
        }
        JoinHandle::new(claim)
    }

    /// Calls a closure on the loop's thread, in the order of the calls; on that thread itself, later.
    ///
    /// # Errors
    /// The loop is gone.
    pub fn invoke(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), Gone> {
        self.0.push(move |_| closure())
    }
}
