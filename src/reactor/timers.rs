//! Jobs that wait for a deadline, ordered by (deadline, sequence number). Cancelling returns the
//! job.
//!
//! A binary heap orders the deadlines, and a table of slots holds the jobs. Cancelling leaves the
//! heap entry, which is cheaper than finding it; the heap is rebuilt when more than half of its
//! entries are stale. Sequence numbers are never reused, so a stale entry or key cannot match the
//! next job in its slot.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::{Priority, Time};

/// Below this number of stale entries, a rebuild costs more than it frees.
const LEAVINGS: usize = 64;

/// Identifies a waiting job for [`Timers::cancel`]. After the job has run or was cancelled, the key
/// matches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerKey {
    slot: u32,
    /// The lane of the timer.
    pub(super) priority: Priority,
    sequence: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    when: Time,
    sequence: u64,
    slot: u32,
}

#[derive(Debug)]
struct Slot<J> {
    sequence: u64,
    job: Option<J>,
}

/// The timer heap of one lane. It reads no clock.
#[derive(Debug)]
pub struct Timers<J> {
    priority: Priority,
    heap: BinaryHeap<Reverse<Entry>>,
    slots: Vec<Slot<J>>,
    free: Vec<u32>,
    pub(super) next_sequence: u64,
    pub(super) stats: TimerStats,
}

/// The timers that have become ready, and how late they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerStats {
    /// The number of timers.
    pub count: u64,
    /// The sum of the times between their deadlines and the polls that have made them ready.
    pub lateness: Duration,
    /// The longest of these times.
    pub max_lateness: Duration,
}

impl TimerStats {
    /// Returns the mean of these times; zero if no timer has become ready.
    #[must_use]
    pub fn mean_lateness(&self) -> Duration {
        let nanos = self.lateness.as_nanos() / u128::from(self.count.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn add(&mut self, lateness: Duration) {
        self.count += 1;
        self.lateness = self.lateness.saturating_add(lateness);
        self.max_lateness = self.max_lateness.max(lateness);
    }

    /// Adds the timers of another lane.
    pub(super) fn merge(&mut self, other: &TimerStats) {
        self.count += other.count;
        self.lateness = self.lateness.saturating_add(other.lateness);
        self.max_lateness = self.max_lateness.max(other.max_lateness);
    }
}

impl<J> Timers<J> {
    /// Makes an empty heap.
    #[must_use]
    pub fn new() -> Timers<J> {
        Timers::of(Priority::NORMAL, 0)
    }

    /// Makes an empty heap for a lane. Its sequence numbers begin at `next_sequence`.
    pub(super) fn of(priority: Priority, next_sequence: u64) -> Timers<J> {
        Timers {
            priority,
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            next_sequence,
            stats: TimerStats::default(),
        }
    }

    /// Returns the number of waiting jobs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns whether no job waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `job` until `when`. Jobs with equal deadlines are returned in the order of insertion.
    pub fn insert(&mut self, when: Time, job: J) -> TimerKey {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let filled = Slot {
            sequence,
            job: Some(job),
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = filled;
            slot
        } else {
            self.slots.push(filled);
            u32::try_from(self.slots.len() - 1).expect("four thousand million timers")
        };
        self.heap.push(Reverse(Entry {
            when,
            sequence,
            slot,
        }));
        TimerKey {
            slot,
            priority: self.priority,
            sequence,
        }
    }

    /// Removes and returns the job, unless it was removed already.
    pub fn cancel(&mut self, key: TimerKey) -> Option<J> {
        let job = self.take(key.slot, key.sequence)?;
        let leavings = self.heap.len() - self.len();
        if leavings > LEAVINGS && leavings > self.len() {
            let slots = &self.slots;
            self.heap.retain(|Reverse(entry)| waits(slots, entry));
        }
        Some(job)
    }

    /// Returns the earliest deadline; `None` if no job will ever be due.
    pub fn next_due(&mut self) -> Option<Time> {
        while let Some(Reverse(entry)) = self.heap.peek() {
            if waits(&self.slots, entry) {
                return (entry.when != Time::NEVER).then_some(entry.when);
            }
            self.heap.pop();
        }
        None
    }

    /// Removes and returns the next job whose deadline is `now` or earlier.
    pub fn pop_due(&mut self, now: Time) -> Option<J> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        if let Some(lateness) = now.after(entry.when) {
            self.stats.add(lateness);
        }
        self.take(entry.slot, entry.sequence)
    }

    /// Removes and returns all waiting jobs, also those that are never due, in no order.
    pub fn drain(&mut self) -> impl Iterator<Item = J> {
        self.heap.clear();
        self.free.clear();
        self.slots.drain(..).filter_map(|slot| slot.job)
    }

    /// Returns the waiting jobs, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = &J> {
        self.slots.iter().filter_map(|slot| slot.job.as_ref())
    }

    /// Returns the waiting jobs with their deadlines and sequence numbers, in no order.
    pub fn waiting(&self) -> impl Iterator<Item = (Time, u64, &J)> {
        let entries = self.heap.iter().map(|Reverse(entry)| entry);
        let waiting = entries.filter(|entry| waits(&self.slots, entry));
        waiting.filter_map(|entry| {
            let job = self.slots[entry.slot as usize].job.as_ref()?;
            Some((entry.when, entry.sequence, job))
        })
    }

    fn take(&mut self, slot: u32, sequence: u64) -> Option<J> {
        let entry = self
            .slots
            .get_mut(slot as usize)
            .filter(|entry| entry.sequence == sequence)?;
        let job = entry.job.take()?;
        self.free.push(slot);
        Some(job)
    }
}

impl<J> Default for Timers<J> {
    fn default() -> Self {
        Timers::new()
    }
}

fn waits<J>(slots: &[Slot<J>], entry: &Entry) -> bool {
    let slot = &slots[entry.slot as usize];
    slot.sequence == entry.sequence && slot.job.is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanoseconds: i64) -> Time {
        Time::from_nanos(nanoseconds)
    }

    #[test]
    fn timers_are_ordered_by_deadline_and_then_by_insertion() {
        let mut timers = Timers::new();
        for (when, job) in [(3, "c"), (1, "a"), (1, "b"), (9, "d")] {
            timers.insert(at(when), job);
        }
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(3))).collect();
        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!(timers.next_due(), Some(at(9)));
    }

    #[test]
    fn a_job_is_not_due_a_nanosecond_early() {
        let mut timers = Timers::new();
        timers.insert(at(10), "job");
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.pop_due(at(10)), Some("job"));
    }

    #[test]
    fn cancelled_timer_is_returned_once_and_never_due() {
        let mut timers = Timers::new();
        let key = timers.insert(at(1), "job");
        assert_eq!(timers.cancel(key), Some("job"));
        assert_eq!(timers.cancel(key), None);
        assert_eq!(timers.pop_due(at(2)), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn stale_key_does_not_cancel_the_next_timer_in_its_slot() {
        let mut timers = Timers::new();
        let old = timers.insert(at(1), "old");
        assert_eq!(timers.pop_due(at(1)), Some("old"));
        timers.insert(at(1), "new");
        assert_eq!(timers.cancel(old), None);
        assert_eq!(timers.pop_due(at(1)), Some("new"));
    }

    #[test]
    fn timer_at_never_is_kept_and_has_no_deadline() {
        let mut timers = Timers::new();
        let key = timers.insert(Time::NEVER, "never");
        assert_eq!(timers.next_due(), None);
        assert_eq!(timers.pop_due(at(i64::MAX - 1)), None);
        assert_eq!(timers.cancel(key), Some("never"));
    }

    #[test]
    fn drain_removes_timers_at_never_and_invalidates_keys() {
        let mut timers = Timers::new();
        let key = timers.insert(Time::NEVER, "never");
        timers.insert(at(1), "soon");
        timers.cancel(key);
        let key = timers.insert(Time::NEVER, "never again");
        let mut drained: Vec<_> = timers.drain().collect();
        drained.sort_unstable();
        assert_eq!(drained, ["never again", "soon"]);
        assert!(timers.is_empty());
        timers.insert(at(2), "later");
        assert_eq!(timers.cancel(key), None);
        assert_eq!(timers.pop_due(at(2)), Some("later"));
    }

    #[test]
    fn cancelling_many_leaves_a_small_heap() {
        let mut timers = Timers::new();
        timers.insert(at(1), 0);
        for job in 1..10_000 {
            let key = timers.insert(at(1_000_000), job);
            timers.cancel(key);
        }
        assert!(
            timers.heap.len() <= 2 * LEAVINGS + 2,
            "{} entries",
            timers.heap.len()
        );
        assert!(timers.slots.len() <= 2);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(i64),
        Cancel(usize),
        Advance(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..50_i64).prop_map(Step::Insert),
            any::<usize>().prop_map(Step::Cancel),
            (0..20_i64).prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        /// The model is a list searched for its least element: slow, and obviously right.
        #[test]
        fn timers_agree_with_a_sorted_list(steps in steps()) {
            let mut timers = Timers::new();
            let mut model: Vec<(i64, usize)> = Vec::new();
            let mut keys = Vec::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Insert(delay) => {
                        let job = keys.len();
                        keys.push(timers.insert(at(now + delay), job));
                        model.push((now + delay, job));
                    }
                    Step::Cancel(any) if !keys.is_empty() => {
                        let job = any % keys.len();
                        let waited = model.iter().position(|&(_, other)| other == job);
                        prop_assert_eq!(timers.cancel(keys[job]), waited.map(|_| job));
                        if let Some(place) = waited {
                            model.remove(place);
                        }
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(by) => {
                        now += by;
                        model.sort_unstable();
                        while let Some(job) = timers.pop_due(at(now)) {
                            prop_assert!(model[0].0 <= now);
                            prop_assert_eq!(model.remove(0).1, job);
                        }
                        prop_assert!(model.first().is_none_or(|&(when, _)| when > now));
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                model.sort_unstable();
                let mut waiting: Vec<_> = timers.waiting().map(|(when, _, &job)| (when, job)).collect();
                waiting.sort_unstable();
                let expected: Vec<_> = model.iter().map(|&(when, job)| (at(when), job)).collect();
                prop_assert_eq!(waiting, expected);
                prop_assert_eq!(timers.next_due(), model.iter().map(|&(when, _)| at(when)).min());
            }
        }
    }
}
