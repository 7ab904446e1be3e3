//! The observers of a loop's tasks: the program's [`Observer`](super::Observer), a recording, and
//! the watchdog.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::cell::TaskRef;
use super::{Job, LoopCore};
use crate::driver::Observer;
use crate::panic::catch_panic;

/// An observer of a driver that also has methods for tasks that begin and end outside of jobs.
///
/// It may be set inside a job. Then its first `ends` and `turn_ends` can be those of a job and a
/// turn that began before.
pub(super) trait TaskObserver: Observer<Job> {
    /// A task was given to the loop.
    fn spawned(&self, task: &TaskRef);

    /// A task was cancelled with its loop.
    fn cancelled(&self, task: &TaskRef);
}

/// The observers of a loop. It is its driver's observer while it has at least one.
#[derive(Default)]
pub(super) struct Observed {
    slots: [RefCell<Option<Rc<dyn TaskObserver>>>; 3],
    /// A method of the program's observer is running.
    pub(super) is_in_observer: Cell<bool>,
}

#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// Called before the last one, which is user code and may begin or end a recording.
    #[cfg(feature = "record")]
    Recording = 0,
    Watchdog = 1,
    Observer = 2,
}

impl Observed {
    /// Sets or removes the observer of a slot, and returns the one before, whose destructor may be
    /// user code.
    pub(super) fn set(
        core: &LoopCore,
        slot: Slot,
        observer: Option<Rc<dyn TaskObserver>>,
    ) -> Option<Rc<dyn TaskObserver>> {
        let slots = &core.observed.slots;
        let before = slots[slot as usize].replace(observer);
        let is_needed = slots.iter().any(|slot| slot.borrow().is_some());
        if is_needed != core.driver.is_observed() {
            let observed = is_needed.then(|| Rc::clone(&core.observed) as Rc<dyn Observer<Job>>);
            core.driver.set_observer(observed);
        }
        before
    }

    /// Returns the observer of a slot.
    pub(super) fn get(&self, slot: Slot) -> Option<Rc<dyn TaskObserver>> {
        self.slots[slot as usize].borrow().clone()
    }

    /// Calls the observers for a task that was given to the loop.
    #[cold]
    pub(super) fn spawned(&self, task: &TaskRef) {
        self.each(|observer| observer.spawned(task));
    }

    /// Calls the observers for a task that was cancelled with its loop.
    pub(super) fn cancelled(&self, task: &TaskRef) {
        self.each(|observer| observer.cancelled(task));
    }

    fn each(&self, mut call: impl FnMut(&dyn TaskObserver)) {
        for slot in &self.slots {
            let observer = slot.borrow().clone();
            if let Some(observer) = observer {
                call(&*observer);
                if Rc::strong_count(&observer) == 1 {
                    // Its own call has removed it.
                    catch_panic(|| drop(observer));
                }
            }
        }
    }
}

impl Observer<Job> for Observed {
    fn queued(&self, job: &mut Job) {
        self.each(|observer| observer.queued(job));
    }

    fn begins(&self, job: &mut Job) {
        self.each(|observer| observer.begins(job));
    }

    fn ends(&self) {
        self.each(|observer| observer.ends());
    }

    fn turn_begins(&self, depth: usize) {
        self.each(|observer| observer.turn_begins(depth));
    }

    fn turn_ends(&self, depth: usize) {
        self.each(|observer| observer.turn_ends(depth));
    }

    fn poll_begins(&self, timeout: Duration) {
        self.each(|observer| observer.poll_begins(timeout));
    }

    fn poll_ends(&self, timeout: Duration) {
        self.each(|observer| observer.poll_ends(timeout));
    }
}
