//! The atomic state of a task. It determines which side owns the result and the join handle's
//! waker.
//!
//! The loop writes the result and then calls [`State::complete`], once. Before that call, the join
//! handle owns the waker's slot, unless the bit `JOIN_WAKER` passes it to the loop. After that
//! call, the join handle, if it still exists, owns the result. (tokio's join handles use the same
//! protocol.) A `NewTask` that is dropped before its start does the loop's part, on any thread.

#![allow(unsafe_code)]

use std::task::Waker;

#[cfg(loom)]
use loom::{cell::UnsafeCell, sync::atomic};
#[cfg(not(loom))]
use std::sync::atomic;

use atomic::{AtomicU8, Ordering};

/// The API of `loom::cell::UnsafeCell`, which checks concurrent access.
#[cfg(not(loom))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    fn with<R>(&self, look: impl FnOnce(*const T) -> R) -> R {
        look(self.0.get())
    }

    fn with_mut<R>(&self, change: impl FnOnce(*mut T) -> R) -> R {
        change(self.0.get())
    }
}

/// The result is stored, and the future was dropped.
const COMPLETE: u8 = 1;
/// An abort was requested. If the poll that runs then completes the task, its result counts.
const ABORTED: u8 = 2;
/// The join handle exists.
const JOIN_INTEREST: u8 = 4;
/// The slot holds a waker, and belongs to the loop.
const JOIN_WAKER: u8 = 8;
/// A remote wake-up is queued; cleared before the poll that it causes.
const REMOTE_WAKE: u8 = 16;

pub(super) struct State {
    bits: AtomicU8,
    joiner: UnsafeCell<Option<Waker>>,
}

// SAFETY: the bits determine the owner of the slot, and a `Waker` may be used and dropped on any
// thread.
unsafe impl Sync for State {}

impl State {
    /// Makes the state of a task that has a join handle.
    pub(super) fn new() -> State {
        State {
            bits: AtomicU8::new(JOIN_INTEREST),
            joiner: UnsafeCell::new(None),
        }
    }

    fn has(&self, bit: u8) -> bool {
        self.bits.load(Ordering::Acquire) & bit != 0
    }

    pub(super) fn is_complete(&self) -> bool {
        self.has(COMPLETE)
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.has(ABORTED)
    }

    pub(super) fn abort(&self) {
        self.bits.fetch_or(ABORTED, Ordering::AcqRel);
    }

    /// Marks a remote wake-up as queued; false if one is queued already.
    pub(super) fn set_remote_wake(&self) -> bool {
        self.bits.fetch_or(REMOTE_WAKE, Ordering::AcqRel) & REMOTE_WAKE == 0
    }

    /// Clears the mark when the wake-up has arrived or could not be sent. After an arrival, call
    /// this before the poll.
    pub(super) fn clear_remote_wake(&self) {
        self.bits.fetch_and(!REMOTE_WAKE, Ordering::AcqRel);
    }

    /// Marks the result as stored. Returns whether the join handle exists, and its waker if it
    /// waits.
    ///
    /// # Safety
    /// Called once, by the owner of the loop's reference, after it has written the result.
    pub(super) unsafe fn complete(&self) -> (bool, Option<Waker>) {
        let before = self.bits.fetch_or(COMPLETE, Ordering::AcqRel);
        let joiner = if before & JOIN_WAKER == 0 {
            None
        } else {
            // SAFETY: `JOIN_WAKER` passes the slot to the loop, and after `COMPLETE` the handle
            // does not take it back.
            self.joiner.with_mut(|joiner| unsafe { (*joiner).take() })
        };
        (before & JOIN_INTEREST != 0, joiner)
    }

    /// Returns true if the task is complete: then the join handle owns the result. Otherwise
    /// registers the waker.
    ///
    /// # Safety
    /// Called by the only handle, and by one thread at a time.
    pub(super) unsafe fn poll_join(&self, waker: &Waker) -> bool {
        if self.is_complete() {
            return true;
        }
        if self.has(JOIN_WAKER) {
            // SAFETY: while `JOIN_WAKER` is set, only the loop writes to the slot, when it takes
            // the waker at completion. So clear the bit before reading the slot.
            let before = self.bits.fetch_and(!JOIN_WAKER, Ordering::AcqRel);
            if before & COMPLETE != 0 {
                return true;
            }
        }
        // SAFETY: `JOIN_WAKER` is not set, so the handle owns the slot.
        let is_same = self.joiner.with(|joiner| unsafe {
            (*joiner)
                .as_ref()
                .is_some_and(|joiner| joiner.will_wake(waker))
        });
        if !is_same {
            let waker = waker.clone();
            // SAFETY: as above.
            let before = self
                .joiner
                .with_mut(|joiner| unsafe { (*joiner).replace(waker) });
            drop(before);
        }
        let before = self.bits.fetch_or(JOIN_WAKER, Ordering::AcqRel);
        before & COMPLETE != 0
    }

    /// Unregisters the join handle and its waker. Returns true if the task is complete: then the
    /// caller must drop the result.
    ///
    /// # Safety
    /// Called once, by the handle.
    pub(super) unsafe fn drop_handle(&self) -> bool {
        let before = self
            .bits
            .fetch_and(!(JOIN_INTEREST | JOIN_WAKER), Ordering::AcqRel);
        let is_complete = before & COMPLETE != 0;
        if !is_complete {
            // SAFETY: `JOIN_WAKER` was cleared before completion, so the handle owns the slot.
            drop(self.joiner.with_mut(|joiner| unsafe { (*joiner).take() }));
        }
        is_complete
    }
}

#[cfg(all(test, loom))]
mod races {
    use std::task::Wake;

    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The state of a task, and the result that it guards.
    struct Task {
        state: State,
        result: UnsafeCell<Option<u32>>,
    }

    // SAFETY: the tests check this.
    unsafe impl Sync for Task {}

    fn task() -> Arc<Task> {
        Arc::new(Task {
            state: State::new(),
            result: UnsafeCell::new(None),
        })
    }

    /// Completes a task, as the loop does.
    fn end(task: &Task) {
        // SAFETY: the task is not complete, so the loop owns the result; this is called once.
        let (has_handle, joiner) = unsafe {
            task.result.with_mut(|result| *result = Some(7));
            task.state.complete()
        };
        if !has_handle {
            // SAFETY: the handle was dropped, so the loop still owns the result.
            task.result.with_mut(|result| unsafe { *result = None });
        }
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    #[test]
    fn remote_waiting_handle_gets_the_result_or_is_woken() {
        loom::model(|| {
            let task = task();
            let ends = Arc::clone(&task);
            let thread = thread::spawn(move || end(&ends));
            let count = std::sync::Arc::new(Count::default());
            let waker = Waker::from(std::sync::Arc::clone(&count));
            // SAFETY: the only handle.
            let is_complete =
                unsafe { task.state.poll_join(&waker) || task.state.poll_join(&waker) };
            if !is_complete {
                thread.join().expect("no panic");
                assert_eq!(count.0.load(Ordering::SeqCst), 1);
                // SAFETY: as above.
                assert!(unsafe { task.state.poll_join(&waker) });
            }
            // SAFETY: the task is complete, so the handle owns the result.
            task.result
                .with(|result| unsafe { assert_eq!(*result, Some(7)) });
        });
    }

    #[test]
    fn remote_result_is_owned_by_either_the_loop_or_the_handle() {
        loom::model(|| {
            let task = task();
            let ends = Arc::clone(&task);
            let thread = thread::spawn(move || end(&ends));
            let count = std::sync::Arc::new(Count::default());
            let waker = Waker::from(std::sync::Arc::clone(&count));
            // SAFETY: the only handle, which waits, and then leaves.
            let is_left = unsafe {
                task.state.poll_join(&waker);
                task.state.drop_handle()
            };
            if is_left {
                // SAFETY: the task is complete, and the loop has left the result to the handle.
                task.result.with_mut(|result| unsafe {
                    assert_eq!((*result).take(), Some(7));
                });
            }
            thread.join().expect("no panic");
            task.result
                .with(|result| unsafe { assert_eq!(*result, None) });
        });
    }

    #[test]
    fn remote_wake_up_is_followed_by_a_poll() {
        loom::model(|| {
            let task = task();
            let (news, queue) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (task, news, queue) =
                        (Arc::clone(&task), Arc::clone(&news), Arc::clone(&queue));
                    thread::spawn(move || {
                        news.fetch_add(1, Ordering::Relaxed);
                        if task.state.set_remote_wake() {
                            queue.fetch_add(1, Ordering::AcqRel);
                        }
                    })
                })
                .collect();
            let mut seen = 0;
            let mut poll = || {
                for _ in 0..queue.swap(0, Ordering::AcqRel) {
                    task.state.clear_remote_wake();
                    seen = news.load(Ordering::Relaxed);
                }
            };
            poll();
            for thread in threads {
                thread.join().expect("no panic");
            }
            poll();
            assert_eq!(seen, 2);
        });
    }

    #[test]
    fn remote_wake_up_that_failed_clears_only_its_own_mark() {
        loom::model(|| {
            let task = task();
            let queue = Arc::new(AtomicUsize::new(0));
            let refused = {
                let task = Arc::clone(&task);
                thread::spawn(move || {
                    if task.state.set_remote_wake() {
                        task.state.clear_remote_wake();
                    }
                })
            };
            let sent = {
                let (task, queue) = (Arc::clone(&task), Arc::clone(&queue));
                thread::spawn(move || {
                    if task.state.set_remote_wake() {
                        queue.fetch_add(1, Ordering::AcqRel);
                    }
                })
            };
            for thread in [refused, sent] {
                thread.join().expect("no panic");
            }
            // The mark is set if and only if a wake-up is queued.
            let is_on_its_way = queue.load(Ordering::Acquire) == 1;
            assert_eq!(task.state.set_remote_wake(), !is_on_its_way);
        });
    }
}
