//! A note of the task that a thread runs, which other threads can read.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

/// The number of the running task, and the names of tasks by their numbers. The watched thread sets
/// the number when a job begins and when it ends, so that a report has the name while the thread is
/// blocked.
///
/// A number is set twice per job, by one store. A name is set once per task, with a lock.
#[derive(Debug, Default)]
pub(crate) struct RunningTask {
    number: AtomicU32,
    names: Mutex<FxHashMap<u32, Arc<str>>>,
}

impl RunningTask {
    fn names(&self) -> MutexGuard<'_, FxHashMap<u32, Arc<str>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names a task. Its number is not zero.
    pub(crate) fn name(&self, number: u32, name: Arc<str>) {
        self.names().insert(number, name);
    }

    /// Forgets the name of a task that has ended.
    pub(crate) fn forget(&self, number: u32) {
        self.names().remove(&number);
    }

    /// Sets the number of the running task; zero for a job that belongs to no task.
    #[inline]
    pub(crate) fn set(&self, number: u32) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// Returns the name of the running task.
    pub(crate) fn get(&self) -> Option<Arc<str>> {
        let names = self.names();
        names.get(&self.number.load(Ordering::Relaxed)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_task_has_its_name_until_it_is_forgotten() {
        let note = RunningTask::default();
        note.name(1, "outer".into());
        note.name(2, "inner".into());
        assert_eq!(note.get(), None);
        note.set(1);
        assert_eq!(note.get().as_deref(), Some("outer"));
        note.set(2);
        assert_eq!(note.get().as_deref(), Some("inner"));
        note.forget(2);
        assert_eq!(note.get(), None);
        note.set(0);
        assert_eq!(note.get(), None);
    }
}
