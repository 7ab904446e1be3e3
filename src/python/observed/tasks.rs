//! The live tasks of an observed loop, by address.
//!
//! A task leaves the table when a step has finished it. A task that was collected before may leave
//! an entry, which the next task at its address replaces: its first step is the only one that
//! another job schedules.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::instruments::recorder::{PlaceId, Ticks};

/// The number of the task that was seen last in this process.
static LAST_NUMBER: AtomicU32 = AtomicU32::new(0);

/// The figures of a live task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) number: u32,
    /// `None` until its first step begins, because a program may name it after it was made.
    pub(super) named: Option<Named>,
    pub(super) steps: u64,
    /// The time of its steps, and the longest one.
    pub(super) busy: u64,
    pub(super) longest: u64,
    /// How often a step was scheduled, and how often by the task itself.
    pub(super) wakeups: u64,
    pub(super) self_wakeups: u64,
    pub(super) created: Ticks,
    /// When its next step was scheduled, if it has not begun.
    pub(super) ready_since: Option<Ticks>,
    /// When its step began, if it has not returned.
    pub(super) running_since: Option<Ticks>,
    /// When its last step has returned, or when it was first seen.
    pub(super) idle_since: Ticks,
    /// A step has begun or returned since the last [`Tasks::take_changes`].
    has_stepped: bool,
    /// It was in the result of a [`Tasks::take_changes`].
    is_known: bool,
}

/// The changes of the tasks since the last [`Tasks::take_changes`].
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The addresses and numbers of new tasks.
    pub(super) created: Vec<(usize, u32)>,
    /// The numbers of other tasks of which a step has begun or returned.
    pub(super) stepped: Vec<u32>,
    /// The numbers of tasks that have left the table.
    pub(super) ended: Vec<u32>,
}

/// The name of a task and the place of its coroutine.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: Arc<str>,
    pub(super) place: PlaceId,
}

impl Task {
    fn new(now: Ticks) -> Task {
        Task {
            number: LAST_NUMBER.fetch_add(1, Ordering::Relaxed) + 1,
            named: None,
            steps: 0,
            busy: 0,
            longest: 0,
            wakeups: 0,
            self_wakeups: 0,
            created: now,
            ready_since: None,
            running_since: None,
            idle_since: now,
            has_stepped: false,
            is_known: false,
        }
    }

    /// Notes that its step begins.
    pub(super) fn begins(&mut self, now: Ticks) {
        self.steps += 1;
        self.ready_since = None;
        self.running_since = Some(now);
        self.has_stepped = true;
    }

    /// Notes that its step has returned.
    pub(super) fn ends(&mut self, now: Ticks) {
        if let Some(began) = self.running_since.take() {
            let took = now.since(began);
            self.busy += took;
            self.longest = self.longest.max(took);
        }
        self.idle_since = now;
        self.has_stepped = true;
    }
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    table: FxHashMap<usize, Task>,
    /// The numbers of the tasks that the reader of [`Tasks::take_changes`] knows.
    known: FxHashSet<u32>,
    /// The numbers of tasks that were collected, since the last [`Tasks::take_lost`].
    lost: Vec<u32>,
}

impl Tasks {
    pub(super) fn contains(&self, address: usize) -> bool {
        self.table.contains_key(&address)
    }

    pub(super) fn get(&self, address: usize) -> Option<&Task> {
        self.table.get(&address)
    }

    pub(super) fn get_mut(&mut self, address: usize) -> Option<&mut Task> {
        self.table.get_mut(&address)
    }

    /// Notes that a step of the task was scheduled, by the task with the address `by`. Returns the
    /// task, and whether it is new.
    pub(super) fn scheduled(
        &mut self,
        address: usize,
        by: usize,
        is_first: bool,
        now: Ticks,
    ) -> (&mut Task, bool) {
        let is_new = (is_first && by != address) || !self.table.contains_key(&address);
        if is_new {
            let before = self.table.insert(address, Task::new(now));
            self.lost.extend(before.map(|lost| lost.number));
        }
        let task = self.table.get_mut(&address).expect("inserted above");
        task.wakeups += 1;
        task.self_wakeups += u64::from(by == address);
        task.ready_since = Some(now);
        (task, is_new)
    }

    /// Returns the task with this address, and whether it is new.
    pub(super) fn seen(&mut self, address: usize, now: Ticks) -> (&mut Task, bool) {
        let mut is_new = false;
        let task = self.table.entry(address).or_insert_with(|| {
            is_new = true;
            Task::new(now)
        });
        (task, is_new)
    }

    /// Returns the task that was made at this address, and whether it is new: its first step may
    /// have been scheduled. An entry that is idle is that of a task that was collected.
    pub(super) fn created(&mut self, address: usize, now: Ticks) -> (&mut Task, bool) {
        let is_idle = |task: &Task| task.ready_since.is_none() && task.running_since.is_none();
        if self.table.get(&address).is_some_and(is_idle) {
            let before = self.table.remove(&address);
            self.lost.extend(before.map(|lost| lost.number));
        }
        self.seen(address, now)
    }

    /// Returns the numbers of the tasks whose addresses new tasks have, since the last call.
    pub(super) fn take_lost(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.lost)
    }

    /// Returns what has happened since the last call, to one reader.
    pub(super) fn take_changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for (&address, task) in &mut self.table {
            let has_stepped = std::mem::take(&mut task.has_stepped);
            if !task.is_known {
                task.is_known = true;
                changes.created.push((address, task.number));
            } else if has_stepped {
                changes.stepped.push(task.number);
            }
        }
        if self.known.len() + changes.created.len() > self.table.len() {
            let live: FxHashSet<u32> = self.table.values().map(|task| task.number).collect();
            let ended = self.known.extract_if(|number| !live.contains(number));
            changes.ended.extend(ended);
        }
        self.known
            .extend(changes.created.iter().map(|&(_, number)| number));
        changes.created.sort_unstable_by_key(|&(_, number)| number);
        changes
    }

    /// Makes all tasks new for the reader of the changes.
    pub(super) fn forget_reader(&mut self) {
        self.known.clear();
        for task in self.table.values_mut() {
            task.is_known = false;
        }
    }

    pub(super) fn remove(&mut self, address: usize) -> Option<Task> {
        self.table.remove(&address)
    }

    /// Returns the numbers of the tasks that have a name, and the names.
    pub(super) fn named(&self) -> impl Iterator<Item = (u32, &Named)> {
        let all = self.table.values();
        all.filter_map(|task| Some((task.number, task.named.as_ref()?)))
    }

    /// Removes the tasks that are not among the live ones.
    pub(super) fn retain(&mut self, is_live: impl Fn(usize) -> bool) {
        self.table.retain(|&address, _| is_live(address));
    }
}
