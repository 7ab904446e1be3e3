//! The two ends of a task: the loop settles its outcome, and a [`JoinHandle`] waits for it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Why a task has no result.
pub enum JoinError {
    /// It was aborted, or its loop is gone.
    Aborted,
    /// It panicked, with this. The message is on standard error, by the panic hook; the loop goes on.
    Panic(Box<dyn Any + Send + 'static>),
}

impl JoinError {
    fn words(&self) -> &str {
        match self {
            JoinError::Aborted => "the task was aborted",
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

/// How a task has ended, or is to end.
pub(crate) struct Outcome<T>(Mutex<State<T>>);

struct State<T> {
    result: Option<Result<T, JoinError>>,
    is_settled: bool,
    is_aborted: bool,
    /// Who waits for the result.
    joiner: Option<Waker>,
    /// What has the task polled; from its beginning to its end.
    task: Option<Waker>,
}

impl<T> Outcome<T> {
    pub(crate) fn new() -> Arc<Outcome<T>> {
        Arc::new(Outcome(Mutex::new(State {
            result: None,
            is_settled: false,
            is_aborted: false,
            joiner: None,
            task: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, task: Waker) {
        self.state().task = Some(task);
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.state().is_aborted
    }

    /// The first result stays.
    pub(crate) fn settle(&self, result: Result<T, JoinError>) {
        let mut state = self.state();
        let task = state.task.take();
        let joiner = state.joiner.take();
        let surplus = if state.is_settled {
            Some(result)
        } else {
            state.is_settled = true;
            state.result.replace(result)
        };
        drop(state);
        // Foreign code, so not under the lock.
        drop((task, surplus));
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }
}

/// A task, whatever its result is.
pub(crate) trait Abort {
    /// Has the task end with its next poll, which is brought about.
    fn abort(&self);
}

impl<T> Abort for Outcome<T> {
    fn abort(&self) {
        let mut state = self.state();
        state.is_aborted = true;
        let task = state.task.clone();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// A future of a task's result. To drop it is to let the task go on by itself.
#[must_use = "await it for the result; `drop` lets the task go on by itself"]
pub struct JoinHandle<T>(Arc<Outcome<T>>);

impl<T> JoinHandle<T> {
    pub(crate) fn new(outcome: Arc<Outcome<T>>) -> JoinHandle<T> {
        JoinHandle(outcome)
    }

    /// Ends the task: it is not polled again, and the loop's next batch of jobs drops its future, on the loop's thread.
    /// A task that is done keeps its result. From any thread, and any number of times.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.state().is_settled
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
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state();
        if state.is_settled {
            let result = state.result.take();
            drop(state);
            return Poll::Ready(result.expect("a JoinHandle is polled after its end"));
        }
        let waker = context.waker();
        if !state
            .joiner
            .as_ref()
            .is_some_and(|joiner| joiner.will_wake(waker))
        {
            let before = state.joiner.replace(waker.clone());
            drop(state);
            drop(before);
        }
        Poll::Pending
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
