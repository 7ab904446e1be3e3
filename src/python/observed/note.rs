//! The note of the running task, which the watchdog reads on its own thread.

use std::rc::Rc;
use std::sync::Arc;

use super::tasks::Task;
use super::{Observed, Running};
use crate::instruments::watchdog::{RunningTask, TaskName};

impl Observed {
    /// Keeps the name of the running task in a note, for the watchdog. Returns whether there was
    /// another note, which is no longer kept.
    pub(in crate::python) fn note_tasks(&self, note: Arc<RunningTask>) -> bool {
        let before = self.running_task.replace(Some(note));
        let running = self.running.borrow();
        self.note_task(running.last().and_then(Running::entry));
        before.is_some()
    }

    /// Takes back [`Observed::note_tasks`]. Returns whether it was in effect.
    pub(in crate::python) fn stop_noting(&self, note: &Arc<RunningTask>) -> bool {
        let mut current = self.running_task.borrow_mut();
        let is_current = current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, note));
        if is_current {
            current.take();
            self.has_noted.set(false);
        }
        is_current
    }

    /// Notes the running task for the watchdog.
    #[inline]
    pub(super) fn note_task(&self, task: Option<&Rc<Task>>) {
        if task.is_some() || self.has_noted.get() {
            self.replace_note(task);
        }
    }

    fn replace_note(&self, task: Option<&Rc<Task>>) {
        let note = self.running_task.borrow();
        let Some(note) = &*note else { return };
        let named = task.and_then(|task| task.named.get());
        self.has_noted.set(named.is_some());
        note.replace(named.map(|named| TaskName::Name(Arc::clone(&named.name))));
    }
}
