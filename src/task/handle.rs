//! The way into a loop from other threads, and for as long as anybody likes.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use async_task::Runnable;

use super::join::{JoinError, JoinHandle, Outcome};
use super::{Inner, Job, current};
use crate::reactor::Remote;

/// What all who are not on the loop's thread share.
pub(crate) struct Shared {
    remote: Remote<Job>,
    thread: ThreadId,
}

impl Shared {
    pub(super) fn new(remote: Remote<Job>) -> Arc<Shared> {
        Arc::new(Shared {
            remote,
            thread: thread::current().id(),
        })
    }

    /// The loop, if this is its thread and it is not gone.
    pub(crate) fn here(self: &Arc<Self>) -> Option<Rc<Inner>> {
        current().filter(|inner| Arc::ptr_eq(&inner.shared, self))
    }

    fn is_here(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// A task is to be polled.
    pub(super) fn schedule(self: &Arc<Self>, runnable: Runnable) {
        if let Some(inner) = self.here() {
            inner.driver.push(Job::Poll(runnable));
        } else if self.is_here() {
            // The loop is gone, and the future goes on its thread.
            drop(runnable);
        } else if let Err(job) = self.remote.send(Job::Poll(runnable)) {
            // The loop is gone, and its thread is elsewhere: the future must not be dropped here.
            std::mem::forget(job);
        }
    }

    /// Does something on the loop's thread: at once if this is it. False if the loop is gone.
    pub(crate) fn call(self: &Arc<Self>, work: impl FnOnce(&Inner) + Send + 'static) -> bool {
        if let Some(inner) = self.here() {
            work(&inner);
            return true;
        }
        self.remote.send(Job::Call(Box::new(work))).is_ok()
    }

    /// As `call`, but on this thread too behind all that is ready.
    pub(super) fn push(
        self: &Arc<Self>,
        work: impl FnOnce(&Inner) + Send + 'static,
    ) -> Result<(), Gone> {
        let job = Job::Call(Box::new(work));
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
#[derive(Clone, Debug)]
pub struct Handle(pub(crate) Arc<Shared>);

/// The loop is gone: nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the event loop is gone")
    }
}

impl std::error::Error for Gone {}

impl From<Gone> for std::io::Error {
    fn from(gone: Gone) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::NotConnected, gone)
    }
}

impl Handle {
    /// Runs a future as a task on the loop's thread. If the loop is gone, the result is [`JoinError::Aborted`].
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.begin(move |inner, outcome| inner.spawn(future, outcome))
    }

    /// As [`spawn`](Handle::spawn), for a future that is made on the loop's thread, and so may hold what is not `Send`.
    pub fn spawn_from_within<F, M>(&self, make: M) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: Send + 'static,
        M: FnOnce() -> F + Send + 'static,
    {
        self.begin(move |inner, outcome| inner.spawn(async move { make().await }, outcome))
    }

    fn begin<T: Send + 'static>(
        &self,
        begin: impl FnOnce(&Inner, Arc<Outcome<T>>) + Send + 'static,
    ) -> JoinHandle<T> {
        let outcome = Outcome::new();
        let promise = Promise(Some(Arc::clone(&outcome)));
        self.0
            .call(move |inner| promise.keep(|outcome| begin(inner, outcome)));
        JoinHandle::new(outcome)
    }

    /// Calls a closure on the loop's thread, in the order of the calls; on that thread itself, later.
    ///
    /// # Errors
    /// The loop is gone.
    pub fn invoke(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), Gone> {
        self.0.push(move |_| closure())
    }
}

/// That a task will begin. If it does not, because the loop has gone meanwhile, it has ended.
struct Promise<T>(Option<Arc<Outcome<T>>>);

impl<T> Promise<T> {
    fn keep(mut self, begin: impl FnOnce(Arc<Outcome<T>>)) {
        if let Some(outcome) = self.0.take() {
            begin(outcome);
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(outcome) = self.0.take() {
            outcome.settle(Err(JoinError::Aborted));
        }
    }
}
