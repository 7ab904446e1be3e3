//! The live tasks of an observed loop, by address.
//!
//! A task leaves the table when a step has finished it. A task that was collected before may leave
//! an entry, which the next task at its address replaces: its first step is the only one that
//! another job schedules.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::hash_map::Entry;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};

use super::note::NotedName;
use crate::instruments::recorder::{PlaceId, Ticks};

/// The number of the task that was seen last in this process.
static LAST_NUMBER: AtomicU32 = AtomicU32::new(0);

/// The figures of a live task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) number: u32,
    /// Empty until its first step begins, because a program may name it after it was made.
    pub(super) named: OnceCell<Named>,
    /// Its name in the note of the watchdog.
    pub(super) noted: RefCell<Option<NotedName>>,
    pub(super) steps: Cell<u64>,
    /// The time of its steps, and the longest one.
    pub(super) busy: Cell<u64>,
    pub(super) longest: Cell<u64>,
    /// How often a step was scheduled, and how often by the task itself.
    pub(super) wakeups: Cell<u64>,
    pub(super) self_wakeups: Cell<u64>,
    pub(super) created: Ticks,
    /// When its next step was scheduled; unknown if it was not, or has begun.
    pub(super) ready_since: Cell<Ticks>,
    /// When its step began; unknown if it does not run.
    pub(super) running_since: Cell<Ticks>,
    /// When its last step has returned, or when it was first seen.
    pub(super) idle_since: Cell<Ticks>,
    /// A step has begun or returned since the last [`Tasks::take_changes`].
    has_stepped: Cell<bool>,
    /// It was in the result of a [`Tasks::take_changes`].
    is_known: Cell<bool>,
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
            named: OnceCell::new(),
            noted: RefCell::default(),
            steps: Cell::new(0),
            busy: Cell::new(0),
            longest: Cell::new(0),
            wakeups: Cell::new(0),
            self_wakeups: Cell::new(0),
            created: now,
            ready_since: Cell::new(Ticks::UNKNOWN),
            running_since: Cell::new(Ticks::UNKNOWN),
            idle_since: Cell::new(now),
            has_stepped: Cell::new(false),
            is_known: Cell::new(false),
        }
    }

    /// Notes that a step was scheduled.
    #[inline]
    pub(super) fn scheduled(&self, is_by_itself: bool, now: Ticks) {
        self.wakeups.set(self.wakeups.get() + 1);
        self.self_wakeups
            .set(self.self_wakeups.get() + u64::from(is_by_itself));
        self.ready_since.set(now);
    }

    /// Returns whether its next step was scheduled.
    #[inline]
    pub(super) fn is_scheduled(&self) -> bool {
        self.ready_since.get().is_known()
    }

    /// Notes that its step begins.
    #[inline]
    pub(super) fn begins(&self, now: Ticks) {
        self.steps.set(self.steps.get() + 1);
        self.ready_since.set(Ticks::UNKNOWN);
        self.running_since.set(now);
        self.has_stepped.set(true);
    }

    /// Notes that its step has returned.
    #[inline]
    pub(super) fn ends(&self, now: Ticks) {
        let began = self.running_since.replace(Ticks::UNKNOWN);
        if began.is_known() {
            let took = now.since(began);
            self.busy.set(self.busy.get() + took);
            self.longest.set(self.longest.get().max(took));
        }
        self.idle_since.set(now);
        self.has_stepped.set(true);
    }
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    table: FxHashMap<usize, Rc<Task>>,
    /// The numbers of the tasks that the reader of [`Tasks::take_changes`] knows.
    known: FxHashSet<u32>,
    /// The numbers of tasks that were collected, since the last [`Tasks::take_lost`].
    lost: Vec<u32>,
}

impl Tasks {
    pub(super) fn get(&self, address: usize) -> Option<&Rc<Task>> {
        self.table.get(&address)
    }

    /// Returns the task with this address of which another job schedules a step, and whether it is
    /// new. `is_first`: the step is the first one.
    pub(super) fn scheduled(
        &mut self,
        address: usize,
        is_first: bool,
        now: Ticks,
    ) -> (&Rc<Task>, bool) {
        if is_first && let Some(lost) = self.table.remove(&address) {
            self.lost.push(lost.number);
        }
        self.seen(address, now)
    }

    /// Returns the task with this address, and whether it is new.
    pub(super) fn seen(&mut self, address: usize, now: Ticks) -> (&Rc<Task>, bool) {
        match self.table.entry(address) {
            Entry::Occupied(entry) => (entry.into_mut(), false),
            Entry::Vacant(entry) => (entry.insert(Rc::new(Task::new(now))), true),
        }
    }

    /// Returns the task that was made at this address, and whether it is new: its first step may
    /// have been scheduled. An entry that is idle is that of a task that was collected.
    pub(super) fn created(&mut self, address: usize, now: Ticks) -> (&Rc<Task>, bool) {
        let is_idle =
            |task: &Rc<Task>| !task.is_scheduled() && !task.running_since.get().is_known();
        let is_another = self.table.get(&address).is_some_and(is_idle);
        self.scheduled(address, is_another, now)
    }

    /// Returns the numbers of the tasks whose addresses new tasks have, since the last call.
    pub(super) fn take_lost(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.lost)
    }

    /// Returns what has happened since the last call, to one reader.
    pub(super) fn take_changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for (&address, task) in &self.table {
            let has_stepped = task.has_stepped.take();
            if !task.is_known.replace(true) {
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
        for task in self.table.values() {
            task.is_known.set(false);
        }
    }

    /// Removes a task, unless another one has its address.
    pub(super) fn remove(&mut self, address: usize, task: &Rc<Task>) {
        if let Entry::Occupied(entry) = self.table.entry(address)
            && Rc::ptr_eq(entry.get(), task)
        {
            entry.remove();
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Rc<Task>> {
        self.table.values()
    }

    /// Removes the tasks that are not among the live ones.
    pub(super) fn retain(&mut self, is_live: impl Fn(usize) -> bool) {
        self.table.retain(|&address, _| is_live(address));
    }
}
