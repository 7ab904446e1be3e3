//! The names of tasks and of Qt classes, beside the ring.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::places::PlaceId;

/// The name of a task in a trace, and the place of its code.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) name: Arc<str>,
    pub(super) place: PlaceId,
}

/// The live tasks, and the finished ones that still have records in the ring.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    tasks: FxHashMap<u32, Task>,
    /// The finished tasks in order, each with the number of records up to its last one.
    finished: VecDeque<(u64, u32)>,
}

impl Tasks {
    pub(super) fn add(&mut self, number: u32, name: &str, place: PlaceId) {
        let name = name.into();
        self.tasks.insert(number, Task { name, place });
    }

    pub(super) fn get(&self, number: u32) -> Option<&Task> {
        self.tasks.get(&number)
    }

    /// Notes that a task has finished. `pushed` is the number of records so far, of which `dropped`
    /// were overwritten.
    ///
    /// Forgets up to two tasks that have no record any more. One at a time would keep the table as
    /// large as it once was.
    pub(super) fn finish(&mut self, number: u32, pushed: u64, dropped: u64) {
        self.finished.push_back((pushed, number));
        for _ in 0..2 {
            match self.finished.front() {
                Some((last, number)) if *last <= dropped => {
                    self.tasks.remove(number);
                    self.finished.pop_front();
                }
                _ => break,
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }
}

/// The number of class names that are kept. A program may make classes at run time.
const MAX_CLASSES: usize = 1 << 12;

/// The names of the classes of Qt objects.
#[derive(Debug)]
pub(super) struct Classes {
    names: Vec<Arc<str>>,
    by_name: FxHashMap<Arc<str>, u32>,
}

impl Default for Classes {
    fn default() -> Classes {
        Classes {
            names: vec!["(other class)".into()],
            by_name: FxHashMap::default(),
        }
    }
}

impl Classes {
    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        match u32::try_from(self.names.len()) {
            Ok(id) if self.names.len() < MAX_CLASSES => {
                let name: Arc<str> = name.into();
                self.names.push(name.clone());
                self.by_name.insert(name, id);
                id
            }
            _ => 0,
        }
    }

    pub(super) fn get(&self, id: u32) -> &str {
        &self.names[id as usize]
    }
}
