//! `block_on`: waits for a future in a nested Qt event loop.
//!
//! Each time that the future returns `Pending`, a new nested loop runs until the future's waker is
//! woken: a *wait*. The loop's turns go on in it.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{LoopCore, LoopShared, application, budget, unconstrained};
use crate::qt::{NestedLoop, activity, app};
use crate::reactor::{Priority, Time};

/// The maximum number of nested waits. Each has a Qt event loop on the stack; hundreds would
/// overflow the stack of a small thread, which aborts the process.
const MAX_NESTED_WAITS: usize = 64;

/// The waker of a `block_on`: ends the wait, from any thread.
struct BlockOnWaker {
    shared: Arc<LoopShared>,
    /// The number of the call of `block_on`, which finds its nested loop.
    wait: u64,
    /// The priority of the job that has called `block_on`.
    priority: Priority,
    /// The job that ends the wait is queued.
    is_queued: AtomicBool,
    /// The job has run, perhaps before the wait began. Used on the loop's thread only.
    is_over: AtomicBool,
}

impl Wake for BlockOnWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            let shared = Arc::clone(&self.shared);
            // Queue a job even on this thread, so that ready jobs, and Qt, run first. After the
            // loop was closed, no wait is left to end.
            let _ = shared.push(Some(self.priority), move |core| {
                self.is_over.store(true, Ordering::Relaxed);
                core.exit_wait(self.wait);
            });
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Arc::clone(self).wake();
    }
}

impl LoopCore {
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let wait = self.next_wait.replace(self.next_wait.get() + 1);
        let block_on = Arc::new(BlockOnWaker {
            shared: Arc::clone(&self.shared),
            wait,
            priority: self.driver.priority(),
            is_queued: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&block_on));
        loop {
            let mut context = Context::from_waker(&waker);
            let poll = || unconstrained::poll(future.as_mut(), &mut context);
            let poll = || budget::with_deadline(Time::NEVER, poll);
            if let Poll::Ready(result) = activity::in_turn(poll) {
                return result;
            }
            application::check();
            self.wait(&block_on);
            application::check();
            assert!(
                self.driver.is_attached(),
                "the `Loop` was dropped while block_on() waited in it: keep it until the end of `main`"
            );
            assert!(
                app::exists(),
                "the Qt application, or the QML engine that has made it, was destroyed while block_on() waited: keep it until the end of `main`"
            );
        }
    }

    /// Processes Qt's events until the waker is woken.
    fn wait(&self, block_on: &BlockOnWaker) {
        assert!(
            self.nested_loops.borrow().len() < MAX_NESTED_WAITS,
            "block_on() inside of {MAX_NESTED_WAITS} others: in a task use `.await`, and in a slot `spawn_local()`"
        );
        assert!(
            !self.observed.is_in_observer.get(),
            "block_on() in a method of an `Observer`, which no task may interrupt: use `spawn_local()` there"
        );
        let nested_loop = Rc::new(NestedLoop::new());
        self.nested_loops
            .borrow_mut()
            .push((block_on.wait, Rc::clone(&nested_loop)));
        if !block_on.is_over.load(Ordering::Relaxed) {
            self.driver.in_nested_wait(|| nested_loop.exec_until_exit());
        }
        self.nested_loops
            .borrow_mut()
            .retain(|(number, _)| *number != block_on.wait);
        // A wake-up after this ends the next wait; one before it is covered by the next poll.
        block_on.is_over.store(false, Ordering::Relaxed);
        block_on.is_queued.swap(false, Ordering::AcqRel);
    }

    /// Exits the nested loops of all waits: when the loop is closed, or when a second application
    /// was made. Each `block_on` then checks for these, and panics or polls again.
    pub(super) fn exit_nested_loops(&self) {
        for (_, nested_loop) in self.nested_loops.borrow().iter() {
            nested_loop.exit(0);
        }
    }

    fn exit_wait(&self, number: u64) {
        let nested_loops = self.nested_loops.borrow();
        if let Some((_, nested_loop)) = nested_loops.iter().find(|(other, _)| *other == number) {
            nested_loop.exit(0);
        }
    }
}
