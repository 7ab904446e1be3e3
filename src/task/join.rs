//! The handles of a spawned task: [`JoinHandle`] awaits it, [`AbortHandle`] aborts it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::budget::take_budget_of_cheap;
use super::cell::{RawJoinHandle, TaskRef};
use super::{Id, JoinError, Priority};

/// A handle to await or abort a task. Dropping it *detaches* the task: the task continues, and its
/// result is lost.
///
/// ```no_run
/// # async fn example() {
/// use qtloop::{spawn_local, task::yield_now};
///
/// let task = spawn_local(async { loop { yield_now().await } });
/// task.abort();
/// assert!(task.await.expect_err("no result").is_cancelled());
///
/// let task = spawn_local(async { panic!("this ends no other task") });
/// assert!(task.await.expect_err("no result").is_panic());
/// # }
/// ```
pub struct JoinHandle<T>(RawJoinHandle<T>);

impl<T> JoinHandle<T> {
    pub(super) fn new(raw: RawJoinHandle<T>) -> JoinHandle<T> {
        JoinHandle(raw)
    }

    pub(super) fn task(&self) -> &TaskRef {
        self.0.task()
    }

    /// Aborts the task: it is not polled again, and the loop's next batch of jobs drops its future,
    /// on the loop's thread. A task that has completed keeps its result. May be called from any
    /// thread, and more than once.
    pub fn abort(&self) {
        self.task().abort();
    }

    /// Returns whether the task has completed, was cancelled or has panicked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task().is_finished()
    }

    /// Returns the number of the task, by which an [`Observer`](super::Observer) knows it.
    #[must_use]
    pub fn id(&self) -> Id {
        self.task().id()
    }

    /// Returns the priority of the task. May be called from any thread.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.task().priority()
    }

    /// Sets the priority of the task, which its children inherit from now on. No effect after its
    /// completion.
    ///
    /// A task that is ready already moves behind the ready tasks of the new priority. Timers that
    /// the task has set keep their precision. If the task sets its own priority, its next child
    /// inherits the new one. Tasks of higher priorities run at its next `await` that yields.
    ///
    /// May be called from any thread. From another one than the loop's, the call takes effect when
    /// the loop next polls, in the order of the calls of that thread.
    ///
    /// ```no_run
    /// # async fn example() {
    /// use qtloop::task::{Priority, spawn_local};
    ///
    /// # async fn index_files() {}
    /// let indexing = spawn_local(index_files());
    /// indexing.set_priority(Priority::LOW); // the user has opened another page
    /// # }
    /// ```
    pub fn set_priority(&self, priority: Priority) {
        self.task().set_priority(priority);
    }

    /// Returns a handle that can abort the task, and does not keep this one.
    ///
    /// ```no_run
    /// # async fn example() {
    /// let loading = qtloop::spawn_local(qtloop::time::sleep(std::time::Duration::from_secs(9)));
    /// let cancel = loading.abort_handle(); // for the button, while this function awaits the task
    /// # cancel.abort();
    /// if let Err(error) = loading.await {
    ///     assert!(error.is_cancelled());
    /// }
    /// # }
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(self.task().clone())
    }

    /// Converts to a handle that aborts the task when it is dropped.
    pub fn abort_on_drop(self) -> AbortOnDrop<T> {
        AbortOnDrop(self)
    }

    /// Polls for the result outside of the budget.
    pub(super) fn poll_result(&mut self, context: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        self.0.poll(context)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// The result was taken already.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_finished() {
            ready!(take_budget_of_cheap(context));
        }
        self.poll_result(context)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinHandle")
            .field("task", self.task())
            .finish()
    }
}

/// A handle that aborts a task or sets its priority, from any thread. It does not await the task,
/// and dropping it has no effect.
///
/// It keeps the memory of the task, but not its future or result. It follows
/// [tokio's](https://docs.rs/tokio/latest/tokio/task/struct.AbortHandle.html).
#[derive(Clone)]
pub struct AbortHandle(TaskRef);

impl AbortHandle {
    /// Aborts the task, as [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Returns whether the task has completed, was cancelled or has panicked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Returns the number of the task, as [`JoinHandle::id`].
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id()
    }

    /// Returns the priority of the task, as [`JoinHandle::priority`].
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.0.priority()
    }

    /// Sets the priority of the task, as [`JoinHandle::set_priority`]: for tasks of a
    /// [`JoinSet`](super::JoinSet).
    pub fn set_priority(&self, priority: Priority) {
        self.0.set_priority(priority);
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AbortHandle")
            .field("task", &self.0)
            .finish()
    }
}

/// A [`JoinHandle`] that aborts its task when it is dropped.
///
/// ```no_run
/// use qtloop::{spawn_local, task::AbortOnDrop, time};
///
/// struct Page {
///     loading: AbortOnDrop<()>, // is aborted when the page is dropped
/// }
///
/// let sleep = time::sleep(std::time::Duration::from_secs(1));
/// let page = Page { loading: spawn_local(sleep).abort_on_drop() };
/// ```
#[derive(Debug)]
#[must_use = "dropping it aborts the task"]
pub struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    /// Aborts the task; see [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Returns whether the task has ended; see [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Returns a handle that can abort the task; see [`JoinHandle::abort_handle`].
    pub fn abort_handle(&self) -> AbortHandle {
        self.0.abort_handle()
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
