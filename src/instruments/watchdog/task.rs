//! A note of the task that a thread runs, which other threads can read.

use std::sync::{Arc, Mutex, PoisonError};

/// The name of the running task. The watched thread sets it when a job begins, and clears it when
/// the job ends, so that a report has the name while the thread is blocked.
#[derive(Debug, Default)]
pub(crate) struct RunningTask(Mutex<Option<Arc<str>>>);

impl RunningTask {
    /// Sets the name; `None` for a job that belongs to no task. Returns the name before, which is
    /// that of an outer job if there is one.
    pub(crate) fn replace(&self, name: Option<Arc<str>>) -> Option<Arc<str>> {
        let mut note = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *note, name)
    }

    /// Returns the name.
    pub(crate) fn get(&self) -> Option<Arc<str>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_job_restores_the_name_of_the_outer_one() {
        let note = RunningTask::default();
        assert_eq!(note.replace(Some("outer".into())), None);
        let outer = note.replace(Some("inner".into()));
        assert_eq!(note.get().as_deref(), Some("inner"));
        note.replace(outer);
        assert_eq!(note.get().as_deref(), Some("outer"));
        note.replace(None);
        assert_eq!(note.get(), None);
    }
}
