//! The note of the running task, which the watchdog reads on its own thread.

use std::sync::Arc;

use super::tasks::Task;
use super::{Observed, Running};
use crate::instruments::watchdog::RunningTask;

/// The name of a task in a note, until the task has ended.
#[derive(Debug)]
pub(super) struct NotedName {
    note: Arc<RunningTask>,
    number: u32,
}

impl Drop for NotedName {
    fn drop(&mut self) {
        self.note.forget(self.number);
    }
}

impl Observed {
    /// Keeps the running task in a note, for the watchdog. Returns whether there was another note,
    /// which is no longer kept.
    pub(in crate::python) fn note_tasks(&self, note: Arc<RunningTask>) -> bool {
        let before = self.running_task.replace(Some(note));
        for task in self.tasks.borrow().all() {
            self.note_name(task);
        }
        self.note_task(self.running.borrow().last());
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
            for task in self.tasks.borrow().all() {
                task.noted.take();
            }
        }
        is_current
    }

    /// Writes the name of a task into the note, if it has one.
    pub(super) fn note_name(&self, task: &Task) {
        let note = self.running_task.borrow();
        let (Some(note), Some(named)) = (&*note, task.named.get()) else {
            return;
        };
        note.name(task.number, Arc::clone(&named.name));
        task.noted.replace(Some(NotedName {
            note: Arc::clone(note),
            number: task.number,
        }));
    }

    /// Notes the running job.
    #[inline]
    pub(super) fn note_task(&self, running: Option<&Running>) {
        if let Some(note) = &*self.running_task.borrow() {
            note.set(running.map_or(0, |running| running.subject.task));
        }
    }
}
