//! The budget of one poll: a task that always finds its sockets ready must yield to the other tasks
//! and to Qt.
//!
//! Each operation that a leaf future completes costs one unit. Every poll of a task starts with 128
//! units. They count as spent when the time of the turn is over. The future of a `block_on` has the
//! same units, without a time limit. tokio's [coop](https://docs.rs/tokio/latest/tokio/task/coop/)
//! works alike, but does not look at the time.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::reactor::Time;

/// Units per poll.
const OPERATIONS: i32 = 128;

/// The units outside of a poll by the loop, where no next poll would renew them.
const UNLIMITED: i32 = i32::MAX;

/// Stop enforcing the budget after this many refusals in one poll: it is probably another
/// executor's `block_on`, which would spin forever.
const MAX_REFUSALS: i32 = 1024;

/// The budget of the poll that runs on this thread.
struct Budget {
    /// The units that are left, or minus the number of refusals.
    left: Cell<i32>,
    /// The time at which the turn should end.
    deadline: Cell<Time>,
}

thread_local! {
    static BUDGET: Budget = const {
        Budget {
            left: Cell::new(UNLIMITED),
            deadline: Cell::new(Time::NEVER),
        }
    };
}

/// Restores the budget of the enclosing poll, also when a panic unwinds.
struct Restore<'a> {
    budget: &'a Budget,
    left: i32,
    deadline: Time,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.budget.left.set(self.left);
        self.budget.deadline.set(self.deadline);
    }
}

/// Polls with this budget in place of that of the enclosing poll.
fn with<R>(left: i32, deadline: Time, poll: impl FnOnce() -> R) -> R {
    BUDGET.with(|budget| {
        let _restore = Restore {
            budget,
            left: budget.left.replace(left),
            deadline: budget.deadline.replace(deadline),
        };
        poll()
    })
}

/// Polls with a full budget, which counts as spent from `deadline` on.
pub(super) fn with_deadline<R>(deadline: Time, poll: impl FnOnce() -> R) -> R {
    with(OPERATIONS, deadline, poll)
}

/// Polls outside of the budget: leaf futures in there neither spend it nor are refused.
pub(crate) fn unbudgeted<R>(poll: impl FnOnce() -> R) -> R {
    with(UNLIMITED, Time::NEVER, poll)
}

/// Returns whether the budget of this poll has units left; does not read the clock. Outside of a
/// poll by the loop, it always has.
pub(crate) fn has_budget() -> bool {
    BUDGET.with(|budget| budget.left.get() > 0)
}

/// Returns whether a task is polled, in a turn that has an end.
pub(super) fn has_deadline() -> bool {
    BUDGET.with(|budget| budget.deadline.get()) != Time::NEVER
}

impl Budget {
    /// Takes one unit. Returns false if none is left or the deadline has passed. The clock is read
    /// for one unit in `clock_interval`, but not for the first one, so each poll makes progress.
    /// The refusal after `MAX_REFUSALS` others succeeds instead.
    fn take(&self, clock_interval: i32) -> bool {
        let left = self.left.get();
        if left == UNLIMITED {
            return true;
        }
        let is_spent = left <= 0
            || (left < OPERATIONS
                && left % clock_interval == 0
                && Time::now() >= self.deadline.get());
        if !is_spent {
            self.left.set(left - 1);
            return true;
        }
        let is_ignored = left == -MAX_REFUSALS;
        let left = if is_ignored {
            UNLIMITED
        } else {
            left.min(0) - 1
        };
        self.left.set(left);
        is_ignored
    }

    fn poll(&self, clock_interval: i32, context: &mut Context<'_>) -> Poll<()> {
        if self.take(clock_interval) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Takes one unit of the budget of the task that is being polled. Returns `Pending`, and wakes the
/// task at once, if the budget is spent. Reads the clock each time, which costs little beside the
/// system call of the operation.
pub(crate) fn take_budget(context: &mut Context<'_>) -> Poll<()> {
    BUDGET.with(|budget| budget.poll(1, context))
}

/// Takes one unit for an operation without a system call: unlike [`take_budget`], reads the clock
/// for each sixteenth only.
pub(crate) fn take_budget_of_cheap(context: &mut Context<'_>) -> Poll<()> {
    BUDGET.with(|budget| budget.poll(16, context))
}

/// Takes one unit of the task's budget, for leaf futures and streams of your own. Call it when an
/// operation can complete, before the operation takes effect.
///
/// Returns `Pending` if the budget is spent. The task was woken then, so return `Pending` too: the
/// loop polls the task again after the other tasks and after Qt. Outside of a task, and of the
/// future of a [`block_on`](crate::block_on), it is always ready.
///
/// Unlike [tokio's](https://docs.rs/tokio/latest/tokio/task/coop/fn.poll_proceed.html), it returns
/// no guard: a unit that was taken is spent.
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
///
/// use futures_lite::Stream;
/// use qtloop::task::poll_proceed;
///
/// /// A channel whose reader yields although its queue is never empty.
/// struct Receiver<T>(Pin<Box<async_channel::Receiver<T>>>);
///
/// impl<T> Stream for Receiver<T> {
///     type Item = T;
///
///     fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
///         ready!(poll_proceed(context));
///         self.0.as_mut().poll_next(context)
///     }
/// }
/// ```
pub fn poll_proceed(context: &mut Context<'_>) -> Poll<()> {
    take_budget(context)
}

/// Takes one unit of the task's budget, and yields to the other tasks and to Qt if the budget is
/// spent.
///
/// The futures of this crate take part in the budget by themselves. Futures of other crates, such
/// as a channel's, do not: a loop over a channel that is never empty needs this call. It follows
/// [tokio's](https://docs.rs/tokio/latest/tokio/task/coop/fn.consume_budget.html).
///
/// ```no_run
/// # async fn example() {
/// let (sender, receiver) = async_channel::bounded(1000);
/// qtloop::spawn_local(async move {
///     while let Ok(number) = receiver.recv().await {
///         println!("{number}");
///         qtloop::task::consume_budget().await;
///     }
/// });
/// sender.send(1).await.expect("a receiver");
/// # }
/// ```
pub async fn consume_budget() {
    poll_fn(poll_proceed).await;
}
