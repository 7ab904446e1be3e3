//! How much of what is ready a task may do in one poll, and until when: one that always finds its socket ready would never let go of the
//! thread.

use std::cell::Cell;
use std::task::{Context, Poll};

use super::current;
use crate::reactor::Time;

/// So many operations.
const OPERATIONS: i32 = 128;

/// Outside of the loop's own polls nobody would lend a budget anew.
const UNLIMITED: i32 = i32::MAX;

/// Who does not let go when told so that many times is deaf to it: another executor's `block_on`, further in. It would ask for ever.
const DEAF: i32 = 1024;

/// Of the task that is being polled.
pub(super) struct Budget {
    /// How many more operations; below zero, how many times it was told that this is over.
    left: Cell<i32>,
    until: Cell<Time>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            left: Cell::new(UNLIMITED),
            until: Cell::new(Time::NEVER),
        }
    }
}

impl Budget {
    /// Polls with a budget; who polls further out gets his own back.
    pub(super) fn lend<R>(&self, until: Time, poll: impl FnOnce() -> R) -> R {
        let outer = (self.left.replace(OPERATIONS), self.until.replace(until));
        let result = poll();
        self.left.set(outer.0);
        self.until.set(outer.1);
        result
    }

    /// Whether there is one more operation in it.
    fn take(&self) -> bool {
        let left = self.left.get();
        if left == UNLIMITED {
            return true;
        }
        // The clock is nothing beside the system call to come.
        let is_spent = left <= 0 || (left < OPERATIONS && Time::now() >= self.until.get());
        if !is_spent {
            self.left.set(left - 1);
            return true;
        }
        let is_deaf = left == -DEAF;
        let left = if is_deaf { UNLIMITED } else { left.min(0) - 1 };
        self.left.set(left);
        is_deaf
    }
}

/// One operation of the task that is being polled. Pending, and due again at once, if it has had enough of them.
pub(crate) fn take_budget(context: &mut Context<'_>) -> Poll<()> {
    if current().is_none_or(|inner| inner.budget.take()) {
        return Poll::Ready(());
    }
    context.waker().wake_by_ref();
    Poll::Pending
}
