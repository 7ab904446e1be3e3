//! What is left of a task in the hands of whoever spawned it: a [`JoinHandle`].

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::cell::{Claim, TaskRef};

/// Why a task has no result.
pub enum JoinError {
    /// It was aborted, or its object or its loop is gone.
    Aborted,
    /// It panicked, with this. The message is on standard error, by the panic hook; the loop goes on.
    Panic(Box<dyn Any + Send + 'static>),
}

impl JoinError {
    fn words(&self) -> &str {
        match self {
            JoinError::Aborted => "the task was aborted, or its object or its loop is gone",
            JoinError::Panic(payload) => {
                let text = payload.downcast_ref::<&'static str>().copied();
                text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                    .unwrap_or("a panic without words")
            }
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Aborted => formatter.write_str("Aborted"),
            JoinError::Panic(_) => formatter.debug_tuple("Panic").field(&self.words()).finish(),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Aborted => formatter.write_str(self.words()),
            JoinError::Panic(_) => write!(formatter, "the task panicked: {}", self.words()),
        }
    }
}

impl std::error::Error for JoinError {}

/// In words: a panic's payload need not be `Sync`, and an `io::Error` must.
impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> std::io::Error {
        std::io::Error::other(error.to_string())
    }
}

/// A future of a task's result. To drop it is to let the task go on by itself.
///
/// ```no_run
/// # async fn example() {
/// use qtloop::{JoinError, spawn_local, task::yield_now};
///
/// let task = spawn_local(async { loop { yield_now().await } });
/// task.abort();
/// assert!(matches!(task.await, Err(JoinError::Aborted)));
///
/// let task = spawn_local(async { panic!("it is its own") });
/// assert!(matches!(task.await, Err(JoinError::Panic(_))));
/// # }
/// ```
pub struct JoinHandle<T>(Claim<T>);

impl<T> JoinHandle<T> {
    pub(super) fn new(claim: Claim<T>) -> JoinHandle<T> {
        JoinHandle(claim)
    }

    pub(super) fn task(&self) -> &TaskRef {
        self.0.task()
    }

    /// Ends the task: it is not polled again, and the loop's next batch of jobs drops its future, on the loop's thread.
    /// A task that is done keeps its result. From any thread, and any number of times.
    pub fn abort(&self) {
        self.task().abort();
    }

    /// Whether the task has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_done()
    }

    /// A handle that aborts the task when it is dropped.
    pub fn abort_on_drop(self) -> AbortOnDrop<T> {
        AbortOnDrop(self)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// The result was taken already.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// A [`JoinHandle`] that takes its task with it.
///
/// ```no_run
/// use qtloop::{spawn_local, task::AbortOnDrop, time};
///
/// struct Page {
///     loading: AbortOnDrop<()>, // goes with the page
/// }
///
/// let sleep = time::sleep(std::time::Duration::from_secs(1));
/// let page = Page { loading: spawn_local(sleep).abort_on_drop() };
/// ```
#[derive(Debug)]
#[must_use = "dropping it aborts the task"]
pub struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.0.abort();
    }

    /// As [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
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
