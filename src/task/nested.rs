//! `block_on`: waits for a future in a nested Qt event loop.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{Inner, Shared, application, budget, unconstrained};
use crate::qt::{Nest, app};
use crate::reactor::Time;

/// The maximum number of nested waits. Each has a Qt event loop on the stack; hundreds would
/// overflow the stack of a small thread, which aborts the process.
const DEEPEST: usize = 64;

/// The waker of a `block_on`: ends the wait, from any thread.
struct Bell {
    shared: Arc<Shared>,
    nest: u64,
    /// The job that ends the wait is queued.
    has_rung: AtomicBool,
    /// The job has run, perhaps before the wait began.
    is_over: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.has_rung.swap(true, Ordering::AcqRel) {
            let shared = Arc::clone(&self.shared);
            // Queue a job even on this thread, so that ready jobs, and Qt, run first. After the
            // loop was closed, no wait is left to end.
            let _ = shared.push(move |inner| {
                self.is_over.store(true, Ordering::Relaxed);
                inner.leave(self.nest);
            });
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Arc::clone(self).wake();
    }
}

impl Inner {
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let nest = self.next_nest.replace(self.next_nest.get() + 1);
        let bell = Arc::new(Bell {
            shared: Arc::clone(&self.shared),
            nest,
            has_rung: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&bell));
        loop {
            let mut context = Context::from_waker(&waker);
            let poll = || unconstrained::poll(future.as_mut(), &mut context);
            if let Poll::Ready(result) = budget::lend(Time::NEVER, poll) {
                return result;
            }
            application::check();
            self.wait(&bell);
            application::check();
            assert!(
                self.driver.is_attached(),
                "the `Loop` was dropped while block_on() waited in it: keep it until the end of `main`"
            );
            assert!(
                app::exists(),
                "the Qt application, or the QML engine that has made it, went while block_on() waited in it: keep it until the end of `main`"
            );
        }
    }

    /// Processes Qt's events until the waker is woken.
    fn wait(&self, bell: &Bell) {
        assert!(
            self.nests.borrow().len() < DEEPEST,
            "block_on() inside of {DEEPEST} others: in a task use `.await`, and in a slot `spawn_local()`"
        );
        let nest = Rc::new(Nest::new());
        self.nests.borrow_mut().push((bell.nest, Rc::clone(&nest)));
        if !bell.is_over.load(Ordering::Relaxed) {
            let _ = self.driver.hold(|| nest.exec(true));
        }
        self.nests
            .borrow_mut()
            .retain(|(number, _)| *number != bell.nest);
        // A wake-up after this ends the next wait; one before it is covered by the next poll.
        bell.is_over.store(false, Ordering::Relaxed);
        bell.has_rung.swap(false, Ordering::AcqRel);
    }

    /// Exits the nested loops of all waits.
    pub(super) fn leave_all(&self) {
        for (_, nest) in self.nests.borrow().iter() {
            nest.leave(0);
        }
    }

    fn leave(&self, number: u64) {
        let nests = self.nests.borrow();
        if let Some((_, nest)) = nests.iter().find(|(other, _)| *other == number) {
            nest.leave(0);
        }
    }
}
