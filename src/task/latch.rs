//! The atomics between a task's loop and its handle: who may touch the result and the waiter, and when.
//!
//! The loop writes the result, and then says [`finish`](Latch::finish), once. Before that the slot for the waiter is the handle's, unless the bit
//! `WAITING` hands it to the loop; after that the result is the handle's, if it is still there. (The protocol is that of tokio's join handles.)

#![allow(unsafe_code)]

use std::task::Waker;

#[cfg(loom)]
use loom::{cell::UnsafeCell, sync::atomic};
#[cfg(not(loom))]
use std::sync::atomic;

use atomic::{AtomicU8, Ordering};

/// As loom's, which knows who looks when.
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

/// The result is in its place, and the future is gone.
const DONE: u8 = 1;
/// The task is to end.
const ABORTED: u8 = 2;
/// The handle is there.
const WANTED: u8 = 4;
/// The slot holds a waiter, and is the loop's.
const WAITING: u8 = 8;
/// A wake from another thread is on its way.
const SENT: u8 = 16;

pub(super) struct Latch {
    bits: AtomicU8,
    waiter: UnsafeCell<Option<Waker>>,
}

// SAFETY: the bits say whose the slot is, and a `Waker` may be used and dropped anywhere.
unsafe impl Sync for Latch {}

impl Latch {
    /// Of a task that has a handle.
    pub(super) fn new() -> Latch {
        Latch {
            bits: AtomicU8::new(WANTED),
            waiter: UnsafeCell::new(None),
        }
    }

    fn has(&self, bit: u8) -> bool {
        self.bits.load(Ordering::Acquire) & bit != 0
    }

    pub(super) fn is_done(&self) -> bool {
        self.has(DONE)
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.has(ABORTED)
    }

    pub(super) fn abort(&self) {
        self.bits.fetch_or(ABORTED, Ordering::AcqRel);
    }

    /// A wake is to be sent to the loop's thread; false if one is on its way.
    pub(super) fn send(&self) -> bool {
        self.bits.fetch_or(SENT, Ordering::AcqRel) & SENT == 0
    }

    /// The wake has arrived, or could not be sent. After an arrival, call this before the poll that the wake asks for.
    pub(super) fn receive(&self) {
        self.bits.fetch_and(!SENT, Ordering::AcqRel);
    }

    /// The result is in its place: whether the handle is there to take it, and who waits for it.
    ///
    /// # Safety
    /// Called once, by the loop.
    pub(super) unsafe fn finish(&self) -> (bool, Option<Waker>) {
        let before = self.bits.fetch_or(DONE, Ordering::AcqRel);
        let waiter = if before & WAITING == 0 {
            None
        } else {
            // SAFETY: the bit says that the slot is the loop's, and since it is done the handle does not take it back.
            self.waiter.with_mut(|waiter| unsafe { (*waiter).take() })
        };
        (before & WANTED != 0, waiter)
    }

    /// True if it is done: the result is the handle's. Else the waker will be woken then.
    ///
    /// # Safety
    /// Called by the one handle only, and by one thread at a time.
    pub(super) unsafe fn wait(&self, waker: &Waker) -> bool {
        if self.is_done() {
            return true;
        }
        if self.has(WAITING) {
            // SAFETY: nobody writes to the slot while the bit is set but the loop at the end, which takes the waker out of it; so only
            // after the bit is taken back it may be looked at.
            let before = self.bits.fetch_and(!WAITING, Ordering::AcqRel);
            if before & DONE != 0 {
                return true;
            }
        }
        // SAFETY: the bit is not set, so the slot is the handle's.
        let is_same = self.waiter.with(|waiter| unsafe {
            (*waiter)
                .as_ref()
                .is_some_and(|waiter| waiter.will_wake(waker))
        });
        if !is_same {
            let waker = waker.clone();
            // SAFETY: as above.
            let before = self
                .waiter
                .with_mut(|waiter| unsafe { (*waiter).replace(waker) });
            drop(before);
        }
        let before = self.bits.fetch_or(WAITING, Ordering::AcqRel);
        before & DONE != 0
    }

    /// The handle goes, and with it whoever waits. True if it is done: the result is left to the caller.
    ///
    /// # Safety
    /// Called once, by the handle.
    pub(super) unsafe fn leave(&self) -> bool {
        let before = self.bits.fetch_and(!(WANTED | WAITING), Ordering::AcqRel);
        let is_done = before & DONE != 0;
        if !is_done {
            // SAFETY: the bit was taken back in time, so the slot is the handle's.
            drop(self.waiter.with_mut(|waiter| unsafe { (*waiter).take() }));
        }
        is_done
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

    /// A latch, and the result that it guards.
    struct Task {
        latch: Latch,
        result: UnsafeCell<Option<u32>>,
    }

    // SAFETY: that is what is tested.
    unsafe impl Sync for Task {}

    fn task() -> Arc<Task> {
        Arc::new(Task {
            latch: Latch::new(),
            result: UnsafeCell::new(None),
        })
    }

    /// What the loop does at the end of a task.
    fn end(task: &Task) {
        // SAFETY: not done yet, so the result is the loop's; and this is called once.
        let (is_wanted, waiter) = unsafe {
            task.result.with_mut(|result| *result = Some(7));
            task.latch.finish()
        };
        if !is_wanted {
            // SAFETY: nobody else wants it.
            task.result.with_mut(|result| unsafe { *result = None });
        }
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    #[test]
    fn remote_a_handle_that_waits_gets_the_result_or_is_woken() {
        loom::model(|| {
            let task = task();
            let ends = Arc::clone(&task);
            let thread = thread::spawn(move || end(&ends));
            let count = std::sync::Arc::new(Count::default());
            let waker = Waker::from(std::sync::Arc::clone(&count));
            // SAFETY: the one handle.
            let is_done = unsafe { task.latch.wait(&waker) || task.latch.wait(&waker) };
            if !is_done {
                thread.join().expect("no panic");
                assert_eq!(count.0.load(Ordering::SeqCst), 1);
                // SAFETY: as above.
                assert!(unsafe { task.latch.wait(&waker) });
            }
            // SAFETY: done, so it is the handle's.
            task.result
                .with(|result| unsafe { assert_eq!(*result, Some(7)) });
        });
    }

    #[test]
    fn remote_the_result_is_left_to_just_one_of_the_two() {
        loom::model(|| {
            let task = task();
            let ends = Arc::clone(&task);
            let thread = thread::spawn(move || end(&ends));
            let count = std::sync::Arc::new(Count::default());
            let waker = Waker::from(std::sync::Arc::clone(&count));
            // SAFETY: the one handle, which waits, and then leaves.
            let is_left = unsafe {
                task.latch.wait(&waker);
                task.latch.leave()
            };
            if is_left {
                // SAFETY: done, and the loop has left it.
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
    fn remote_a_wake_from_elsewhere_is_polled_for_after_it() {
        loom::model(|| {
            let task = task();
            let (news, queue) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (task, news, queue) =
                        (Arc::clone(&task), Arc::clone(&news), Arc::clone(&queue));
                    thread::spawn(move || {
                        news.fetch_add(1, Ordering::Relaxed);
                        if task.latch.send() {
                            queue.fetch_add(1, Ordering::AcqRel);
                        }
                    })
                })
                .collect();
            let mut seen = 0;
            let mut poll = || {
                for _ in 0..queue.swap(0, Ordering::AcqRel) {
                    task.latch.receive();
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
    fn remote_a_refused_wake_leaves_no_mark_and_takes_none() {
        loom::model(|| {
            let task = task();
            let queue = Arc::new(AtomicUsize::new(0));
            let refused = {
                let task = Arc::clone(&task);
                thread::spawn(move || {
                    if task.latch.send() {
                        task.latch.receive();
                    }
                })
            };
            let sent = {
                let (task, queue) = (Arc::clone(&task), Arc::clone(&queue));
                thread::spawn(move || {
                    if task.latch.send() {
                        queue.fetch_add(1, Ordering::AcqRel);
                    }
                })
            };
            for thread in [refused, sent] {
                thread.join().expect("no panic");
            }
            // The mark is there if and only if a wake is on its way.
            let is_on_its_way = queue.load(Ordering::Acquire) == 1;
            assert_eq!(task.latch.send(), !is_on_its_way);
        });
    }
}
