//! [`Handle`]: access to a loop from other threads.

use std::fmt;
use std::future::Future;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::builder::{Attributes, Name};
use super::join::JoinHandle;
use super::{Job, LoopCore, cell, current, expect_current};
use crate::reactor::{Poller, Priority, Remote};

/// The state of a loop that other threads use, and that outlives it.
pub(crate) struct LoopShared {
    remote: Remote<Job>,
    /// For `Debug`. The loop compares `mark`.
    thread: ThreadId,
    mark: usize,
    /// The loop's poller, for threads that close a descriptor that it watches.
    poller: Mutex<Option<Poller>>,
    is_gone: AtomicBool,
    /// The clock of the loop's timers after `time::pause()`.
    #[cfg(feature = "test-util")]
    pub(super) virtual_time: std::sync::OnceLock<Arc<crate::driver::VirtualTime>>,
}

/// Returns a number that identifies this thread: the address of a thread-local value. After a
/// thread has ended, another one may have the same number.
fn mark() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    // Also valid while the thread ends: a byte needs no destructor.
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

impl LoopShared {
    pub(super) fn new(remote: Remote<Job>, poller: Poller) -> Arc<LoopShared> {
        Arc::new(LoopShared {
            remote,
            thread: thread::current().id(),
            mark: mark(),
            poller: Mutex::new(Some(poller)),
            is_gone: AtomicBool::new(false),
            #[cfg(feature = "test-util")]
            virtual_time: std::sync::OnceLock::new(),
        })
    }

    /// Returns the loop, if this is its thread and it was not closed.
    pub(crate) fn here(self: &Arc<Self>) -> Option<Rc<LoopCore>> {
        current().filter(|core| Arc::ptr_eq(&core.shared, self))
    }

    /// Returns whether this is the loop's thread, also after the loop was closed.
    pub(super) fn is_here(&self) -> bool {
        self.mark == mark()
    }

    /// Marks the loop as closed.
    pub(super) fn end(&self) {
        self.is_gone.store(true, Ordering::Release);
        drop(self.poller().take());
    }

    fn poller(&self) -> MutexGuard<'_, Option<Poller>> {
        // Nothing that can panic runs under the lock.
        self.poller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deregisters a descriptor from the poller.
    pub(crate) fn deregister(&self, fd: RawFd) {
        if let Some(poller) = &*self.poller() {
            poller.deregister(fd);
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Sends a job from another thread. Returns the job if the loop was closed.
    pub(super) fn send(&self, job: Job) -> Result<(), Job> {
        self.remote.send(job)
    }

    /// Runs `work` on the loop's thread, immediately if called there. If the loop was closed, runs
    /// it with `None`, on the thread that detects this.
    pub(crate) fn call(self: &Arc<Self>, work: impl FnOnce(Option<&LoopCore>) + Send + 'static) {
        match self.here() {
            Some(core) => work(Some(&core)),
            None => self.call_behind(work),
        }
    }

    /// Runs `work` like `call`, but never immediately: always after the jobs that other threads
    /// have sent.
    pub(crate) fn call_behind(&self, work: impl FnOnce(Option<&LoopCore>) + Send + 'static) {
        if let Err(Job::Call(call)) = self.remote.send(Job::call(Priority::NORMAL, work)) {
            call.run(None);
        }
    }

    /// Runs `work` on the loop's thread, after all jobs that are ready. Drops it if the loop is
    /// closed first. On that thread itself, the job has the given priority; without one, that of
    /// the running job.
    pub(super) fn push(
        self: &Arc<Self>,
        priority: Option<Priority>,
        work: impl FnOnce(&LoopCore) + Send + 'static,
    ) -> Result<(), LoopClosed> {
        let work = |core: Option<&LoopCore>| core.map_or((), work);
        let Some(core) = self.here() else {
            let job = Job::call(Priority::NORMAL, work);
            return self.remote.send(job).map_err(|_| LoopClosed);
        };
        let priority = priority.unwrap_or_else(|| core.driver.priority());
        core.driver.push(Job::call(priority, work));
        Ok(())
    }
}

impl fmt::Debug for LoopShared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Loop").field(&self.thread).finish()
    }
}

/// A handle to call closures and start tasks on a [`Loop`](super::Loop) from any thread. It does
/// not keep the loop alive.
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
pub struct Handle(pub(crate) Arc<LoopShared>);

/// The error of a call to a loop that was closed: the call had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopClosed;

plain_error!(LoopClosed, NotConnected, "the event loop was closed");

/// The error of [`Handle::try_current`]: this thread has no loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TryCurrentError;

plain_error!(
    TryCurrentError,
    NotFound,
    "this thread has no event loop: `let event_loop = qtloop::Loop::attach()?;`"
);

impl Handle {
    /// Returns the handle of this thread's loop.
    ///
    /// # Panics
    /// This thread has no [`Loop`](super::Loop).
    #[must_use]
    #[track_caller]
    pub fn current() -> Handle {
        Handle(Arc::clone(expect_current("Handle::current()").shared()))
    }

    /// Returns the handle of this thread's loop, for code that may run without one.
    ///
    /// ```no_run
    /// use qtloop::Handle;
    ///
    /// fn load_icons() {
    ///     match Handle::try_current() {
    ///         Ok(_) => drop(qtloop::spawn_local(async { /* load them in the background */ })),
    ///         Err(_) => { /* load them here */ }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`TryCurrentError`]: this thread has no [`Loop`](super::Loop).
    pub fn try_current() -> Result<Handle, TryCurrentError> {
        match current() {
            Some(core) => Ok(Handle(Arc::clone(core.shared()))),
            None => Err(TryCurrentError),
        }
    }

    /// Runs a future as a task on the loop's thread. If the loop is closed, or closes before the
    /// task completes, the handle's result is a [`JoinError`](super::JoinError) that
    /// [`is_cancelled`](super::JoinError::is_cancelled).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_task(Attributes::<()>::default(), future)
    }

    /// Runs a task as [`spawn`](Handle::spawn) does, with a future that the closure makes on the
    /// loop's thread. So the future need not be `Send`.
    #[track_caller]
    pub fn spawn_from_within<F, M>(&self, make: M) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: Send + 'static,
        M: FnOnce() -> F + Send + 'static,
    {
        // Until it is polled, this future holds only `make`, which is `Send` and may be dropped on
        // any thread.
        self.spawn_task(Attributes::<()>::default(), async move { make().await })
    }

    #[track_caller]
    pub(super) fn spawn_task<F, N>(
        &self,
        attributes: Attributes<N>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: Send + 'static,
        N: Name,
    {
        if let Some(core) = self.0.here() {
            return core.spawn_with(attributes, future);
        }
        let priority = attributes.priority.unwrap_or_default();
        let (task, handle) = cell::task(&self.0, attributes.name, priority, future);
        // A closed loop hands the task back; dropping it cancels it.
        drop(self.0.send(Job::Start(task)));
        JoinHandle::new(handle)
    }

    /// Calls a closure on the loop's thread, in the order of the calls; on that thread itself,
    /// later.
    ///
    /// `Ok` means that the loop has accepted the closure. If the loop closes before it calls the
    /// closure, it drops the closure instead. To know that the closure ran, await
    /// [`spawn_from_within`](Handle::spawn_from_within), or send an answer.
    ///
    /// The queue has no bound, and all closures in it run before the loop looks at its timers and
    /// sockets again. A thread that produces faster than the loop consumes needs a bounded channel:
    ///
    /// ```no_run
    /// # let event_loop = qtloop::Loop::attach()?;
    /// let (sender, receiver) = async_channel::bounded(64);
    /// std::thread::spawn(move || {
    ///     for percent in 0..=100 {
    ///         let _ = sender.send_blocking(percent); // waits while 64 are in the channel
    ///     }
    /// });
    /// qtloop::spawn_local(async move {
    ///     while let Ok(percent) = receiver.recv().await {
    ///         println!("{percent} %");
    ///         qtloop::task::consume_budget().await;
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`LoopClosed`]: the loop was closed, or the operating system refused to wake it. The closure
    /// was dropped.
    pub fn invoke(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), LoopClosed> {
        self.0.push(None, move |_| closure())
    }
}
