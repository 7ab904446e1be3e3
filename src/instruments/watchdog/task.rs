//! A note of the task that a thread runs, which other threads can read.

use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

/// What a report calls a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaskName {
    Name(Arc<str>),
    /// It has no name, and was spawned there.
    #[cfg_attr(feature = "python", allow(dead_code))]
    SpawnedAt(&'static Location<'static>),
}

/// The name of the running task. The watched thread sets it when a job begins, and clears it when
/// the job ends, so that a report has the name while the thread is blocked.
#[derive(Debug, Default)]
pub(crate) struct RunningTask(Mutex<Option<TaskName>>);

impl RunningTask {
    /// Sets the name; `None` for a job that belongs to no task. Returns the name before, which is
    /// that of an outer job if there is one.
    pub(crate) fn replace(&self, name: Option<TaskName>) -> Option<TaskName> {
        let mut note = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *note, name)
    }

    /// Returns the name.
    pub(crate) fn get(&self) -> Option<Arc<str>> {
        let note = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match note.clone()? {
            TaskName::Name(name) => Some(name),
            TaskName::SpawnedAt(place) => Some(place.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Option<TaskName> {
        Some(TaskName::Name(name.into()))
    }

    #[test]
    fn inner_job_restores_the_name_of_the_outer_one() {
        let note = RunningTask::default();
        assert_eq!(note.replace(named("outer")), None);
        let outer = note.replace(named("inner"));
        assert_eq!(note.get().as_deref(), Some("inner"));
        note.replace(outer);
        assert_eq!(note.get().as_deref(), Some("outer"));
        note.replace(None);
        assert_eq!(note.get(), None);
    }

    #[test]
    fn task_without_a_name_has_that_of_its_place() {
        let note = RunningTask::default();
        let place = Location::caller();
        note.replace(Some(TaskName::SpawnedAt(place)));
        assert_eq!(note.get().as_deref(), Some(place.to_string().as_str()));
    }
}
