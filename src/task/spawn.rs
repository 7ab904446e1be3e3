//! The task itself: a future that is polled until it ends, is aborted, or panics.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use slab::Slab;

use super::join::{Abort, JoinError, Outcome};

/// All tasks of a loop that have not ended: at its own end, it ends them.
#[derive(Clone, Default)]
pub(super) struct Registry(Rc<RefCell<Slab<Arc<dyn Abort>>>>);

impl Registry {
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Has all tasks end with their next poll.
    pub(super) fn abort_all(&self) {
        let all: Vec<_> = self
            .0
            .borrow()
            .iter()
            .map(|(_, task)| Arc::clone(task))
            .collect();
        for task in all {
            task.abort();
        }
    }
}

/// What sees to a task's end, whichever way it comes.
struct End<T> {
    outcome: Arc<Outcome<T>>,
    registry: Registry,
    key: usize,
}

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        let entry = self.registry.0.borrow_mut().remove(self.key);
        self.outcome.settle(Err(JoinError::Aborted)); // unless it is settled already
        drop(entry);
    }
}

pin_project! {
    /// The future of a task, with what becomes of it. It never panics, and neither does its end.
    pub(super) struct Work<F: Future> {
        #[pin]
        future: Option<F>,
        end: End<F::Output>,
    }

    impl<F: Future> PinnedDrop for Work<F> {
        fn drop(this: Pin<&mut Self>) {
            drop_contained(this.project().future);
        }
    }
}

/// A destructor that panics has had its message by the panic hook, and is over.
fn drop_contained<F>(mut future: Pin<&mut Option<F>>) {
    let _ = catch_unwind(AssertUnwindSafe(|| future.set(None)));
}

impl<F: Future + 'static> Work<F> {
    pub(super) fn new(future: F, outcome: Arc<Outcome<F::Output>>, registry: &Registry) -> Work<F> {
        let key = registry
            .0
            .borrow_mut()
            .insert(Arc::clone(&outcome) as Arc<dyn Abort>);
        Work {
            future: Some(future),
            end: End {
                outcome,
                registry: registry.clone(),
                key,
            },
        }
    }
}

impl<F: Future> Future for Work<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let result = if this.end.outcome.is_aborted() {
            Err(JoinError::Aborted)
        } else {
            match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(value)) => Ok(value),
                Err(panic) => Err(JoinError::Panic(panic)),
            }
        };
        // Before anybody hears of it: what the future held is free by then.
        drop_contained(this.future);
        this.end.outcome.settle(result);
        Poll::Ready(())
    }
}
