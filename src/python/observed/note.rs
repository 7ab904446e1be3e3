//! The note of the running task, which the watchdog reads on its own thread.

use std::sync::Arc;

use super::Observed;
use crate::instruments::watchdog::RunningTask;

impl Observed {
    /// Keeps the name of the running task in a note, for the watchdog. Returns whether there was
    /// another note, which is no longer kept.
    pub(in crate::python) fn note_tasks(&self, note: Arc<RunningTask>) -> bool {
        let before = self.running_task.replace(Some(note));
        let running = self.running.borrow().last().map(|running| running.address);
        if let Some(address) = running {
            self.note_task(address);
        }
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
        }
        is_current
    }

    /// Notes the running task for the watchdog. Returns the note before.
    pub(super) fn note_task(&self, address: usize) -> Option<Arc<str>> {
        let note = self.running_task.borrow();
        let note = note.as_ref()?;
        let tasks = self.tasks.borrow();
        let named = tasks.get(address).and_then(|task| task.named.as_ref());
        note.replace(named.map(|named| Arc::clone(&named.name)))
    }

    /// Restores the note of the outer job.
    pub(super) fn restore_note(&self, before: Option<Arc<str>>) {
        if let Some(note) = &*self.running_task.borrow() {
            note.replace(before);
        }
    }
}
