//! [`JoinSet`]: tasks that are awaited, and aborted, together.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_util::stream::{FuturesUnordered, Stream};

use super::budget::take_budget_of_cheap;
use super::{AbortHandle, JoinError, JoinHandle, spawn_local};

/// A set of tasks that are awaited in the order in which they complete. Dropping the set aborts all
/// tasks in it.
///
/// It follows [tokio's](https://docs.rs/tokio/latest/tokio/task/struct.JoinSet.html). A set belongs
/// to no loop, so it may be awaited on any thread if the results are `Send`.
///
/// ```no_run
/// # async fn size(page: &str) -> usize { page.len() }
/// # async fn example() {
/// let mut sizes = qtloop::task::JoinSet::new();
/// for page in ["index.html", "about.html", "news.html"] {
///     sizes.spawn_local(size(page));
/// }
/// while let Some(size) = sizes.join_next().await {
///     match size {
///         Ok(size) => println!("{size} bytes"),
///         Err(error) => eprintln!("{error}"), // the others continue
///     }
/// }
/// # }
/// ```
#[must_use = "dropping it aborts its tasks"]
pub struct JoinSet<T> {
    tasks: FuturesUnordered<SetTask<T>>,
}

/// A task of a set. It is polled outside of the budget: the set takes one unit per result.
struct SetTask<T>(JoinHandle<T>);

impl<T> Future for SetTask<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_result(context)
    }
}

impl<T> JoinSet<T> {
    /// Returns an empty set.
    pub fn new() -> JoinSet<T> {
        JoinSet {
            tasks: FuturesUnordered::new(),
        }
    }

    /// Returns the number of tasks whose results were not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns whether the set has no tasks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Starts a task on this thread's loop, as [`spawn_local`], and adds it to the set. The
    /// returned handle can abort it.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        let task = spawn_local(future);
        let handle = task.abort_handle();
        self.tasks.push(SetTask(task));
        handle
    }

    /// Waits for the next task that completes, and returns its result; `None` if the set is empty.
    /// If this future is dropped, no result is lost.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// Polls for [`join_next`](JoinSet::join_next).
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        ready!(take_budget_of_cheap(context));
        Pin::new(&mut self.tasks).poll_next(context)
    }

    /// Returns the result of a task that has completed, if there is one.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.tasks).poll_next(&mut context) {
            Poll::Ready(result) => result,
            Poll::Pending => None,
        }
    }

    /// Aborts all tasks. They stay in the set: [`join_next`](JoinSet::join_next) returns their
    /// errors.
    pub fn abort_all(&mut self) {
        for task in &self.tasks {
            task.0.abort();
        }
    }

    /// Aborts all tasks, and waits until their futures are dropped.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Removes all tasks from the set without aborting them: they continue, and their results are
    /// lost.
    pub fn detach_all(&mut self) {
        self.tasks.clear();
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinSet")
            .field("len", &self.len())
            .finish()
    }
}
