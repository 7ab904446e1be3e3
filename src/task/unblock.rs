//! Keeps a task from blocking the loop: yields, and blocking work on a thread pool.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Poll, ready};

use super::budget::has_deadline;
use super::{TimeHold, current, take_budget};

/// Yields to the other tasks that are ready.
///
/// ```no_run
/// # async fn example(rows: Vec<u32>) {
/// for row in rows {
///     println!("{row}"); // long work, in pieces
///     qtloop::task::yield_now().await;
/// }
/// # }
/// ```
pub async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Yields to Qt and to the other tasks if this turn has used up its time
/// ([`Loop::set_turn_budget`](super::Loop::set_turn_budget)), or if a task of a higher
/// [`Priority`](super::Priority) is ready. Otherwise returns at once.
///
/// While a higher priority is in use, the call polls descriptors, timers and other threads every
/// 25 µs. So it also finds a task that such an event has made ready. In
/// [`block_on`](super::block_on) and on other executors it always yields.
///
/// ```no_run
/// # async fn example(rows: Vec<u32>) {
/// let mut sum = 0;
/// for row in rows {
///     sum += row; // a computation that would delay the window as a whole
///     qtloop::task::yield_if_needed().await;
/// }
/// # }
/// ```
pub async fn yield_if_needed() {
    if !has_deadline() || current().is_none_or(|core| core.driver.should_yield()) {
        yield_now().await;
    }
}

/// Runs blocking work on a pool of threads, and waits for its result.
///
/// If the future is dropped, the work continues and its result is lost. The pool is that of the
/// crate `blocking`, which has at most 500 threads.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let text = qtloop::task::unblock(|| std::fs::read_to_string("notes.txt")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// The work has panicked: the result of `spawn_local(unblock(..))` is a
/// [`JoinError`](super::JoinError) that [`is_panic`](super::JoinError::is_panic).
pub async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    /// Detaches the work when dropped: dropping the `blocking::Task` would remove it from the
    /// queue.
    struct DetachOnDrop<T>(Option<blocking::Task<T>>);

    impl<T> Drop for DetachOnDrop<T> {
        fn drop(&mut self) {
            if let Some(task) = self.0.take() {
                task.detach();
            }
        }
    }

    let _hold = TimeHold::here();
    let mut work = DetachOnDrop(Some(blocking::unblock(work)));
    poll_fn(|context| {
        ready!(take_budget(context));
        let task = work.0.as_mut().expect("there until the end");
        Pin::new(task).poll(context)
    })
    .await
}
