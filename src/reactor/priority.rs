//! The priority of a job.

use std::fmt;
#[cfg(feature = "tasks")]
use std::sync::atomic::{AtomicI8, Ordering};

/// The priority of a task or a job: a number from -100 to 100, of which the smaller runs first.
///
/// A ready task runs before all tasks of greater numbers; tasks of one priority run in the order in
/// which they became ready. glib and the `nice` value of Unix count in the same direction.
///
/// The comparison is that of the numbers: `Priority::HIGH < Priority::NORMAL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(i8);

impl Priority {
    /// Before all others: for work that a person or a machine waits for.
    pub const HIGH: Priority = Priority(-100);
    /// The priority of tasks that are given none and inherit none.
    pub const NORMAL: Priority = Priority(0);
    /// After all others: for work that can wait.
    pub const LOW: Priority = Priority(100);

    /// Returns the priority of this number; `None` if it is not from -100 to 100.
    #[must_use]
    pub const fn new(number: i8) -> Option<Priority> {
        if number >= Priority::HIGH.0 && number <= Priority::LOW.0 {
            Some(Priority(number))
        } else {
            None
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A priority that other threads may read.
#[cfg(feature = "tasks")]
#[derive(Debug)]
pub(crate) struct AtomicPriority(AtomicI8);

#[cfg(feature = "tasks")]
impl AtomicPriority {
    pub(crate) fn new(priority: Priority) -> AtomicPriority {
        AtomicPriority(AtomicI8::new(priority.0))
    }

    #[inline]
    pub(crate) fn get(&self) -> Priority {
        Priority(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, priority: Priority) {
        self.0.store(priority.0, Ordering::Relaxed);
    }
}
