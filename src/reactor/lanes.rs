//! The ready jobs and the timers of a reactor, in one *lane* per priority.
//!
//! A lane is first in, first out. The normal lane always exists. Another one exists while it is in
//! use: it has a ready job or a timer, or a task or watch [retains](Lanes::retain) it. In most
//! programs there is only the normal lane, and all operations are those of one queue.

use std::collections::VecDeque;

use super::timers::{TimerKey, TimerStats, Timers};
use super::{Priority, Queueable, Time};

/// The jobs of one priority.
#[derive(Debug)]
struct Lane<J> {
    priority: Priority,
    ready: VecDeque<J>,
    timers: Timers<J>,
    /// The number of tasks and watches that retain the lane.
    retained: usize,
}

impl<J> Lane<J> {
    fn new(priority: Priority, next_timer: u64) -> Lane<J> {
        Lane {
            priority,
            ready: VecDeque::new(),
            timers: Timers::of(priority, next_timer),
            retained: 0,
        }
    }

    fn is_in_use(&self) -> bool {
        self.retained > 0 || !self.ready.is_empty() || !self.timers.is_empty()
    }
}

/// The ready jobs and timers of all priorities. It reads no clock.
#[derive(Debug)]
pub(super) struct Lanes<J> {
    normal: Lane<J>,
    /// The other lanes, by priority.
    others: Vec<Lane<J>>,
    /// The first sequence number of the timers of a new lane. It is greater than those of removed
    /// lanes, so that a lane that is made again does not accept their keys.
    next_timer: u64,
    /// The counts of removed lanes.
    timer_stats: TimerStats,
}

impl<J: Queueable> Lanes<J> {
    pub(super) fn new() -> Lanes<J> {
        Lanes {
            normal: Lane::new(Priority::NORMAL, 0),
            others: Vec::new(),
            next_timer: 0,
            timer_stats: TimerStats::default(),
        }
    }

    /// Returns whether the normal lane is the only one.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.others.is_empty()
    }

    /// Returns the priority of the highest lane in use.
    pub(super) fn highest(&self) -> Priority {
        let other = self.others.first().map(|lane| lane.priority);
        other.map_or(Priority::NORMAL, |other| other.min(Priority::NORMAL))
    }

    /// Queues a job in its lane, or in the highest one if it is urgent.
    #[inline(always)]
    pub(super) fn push(&mut self, job: J) {
        let is_normal = job.priority() == Priority::NORMAL;
        if is_normal && (!job.is_urgent() || self.others.is_empty()) {
            self.normal.ready.push_back(job);
        } else {
            self.push_by_priority(job);
        }
    }

    #[cold]
    fn push_by_priority(&mut self, job: J) {
        self.lane_for(&job).ready.push_back(job);
    }

    /// Puts a job before the other jobs of its lane.
    pub(super) fn push_front(&mut self, job: J) {
        self.lane_for(&job).ready.push_front(job);
    }

    /// Returns the queue for jobs that are served in the highest lane in use.
    pub(super) fn urgent(&mut self) -> &mut VecDeque<J> {
        let highest = self.highest();
        &mut self.lane_mut(highest).ready
    }

    fn lane_for(&mut self, job: &J) -> &mut Lane<J> {
        let priority = if job.is_urgent() {
            self.highest()
        } else {
            job.priority()
        };
        self.lane_mut(priority)
    }

    fn position(&self, priority: Priority) -> Result<usize, usize> {
        self.others
            .binary_search_by_key(&priority, |lane| lane.priority)
    }

    /// Returns the lane of a priority. Makes it if it is not in use.
    fn lane_mut(&mut self, priority: Priority) -> &mut Lane<J> {
        if priority == Priority::NORMAL {
            return &mut self.normal;
        }
        let index = self.position(priority).unwrap_or_else(|index| {
            self.others
                .insert(index, Lane::new(priority, self.next_timer));
            index
        });
        &mut self.others[index]
    }

    /// Returns the lane of a priority, if it is in use.
    fn used_mut(&mut self, priority: Priority) -> Option<&mut Lane<J>> {
        if priority == Priority::NORMAL {
            return Some(&mut self.normal);
        }
        let index = self.position(priority).ok()?;
        Some(&mut self.others[index])
    }

    /// Removes a lane that is not in use any more.
    fn prune(&mut self, priority: Priority) {
        if let Ok(index) = self.position(priority)
            && !self.others[index].is_in_use()
        {
            let lane = self.others.remove(index);
            self.next_timer = self.next_timer.max(lane.timers.next_sequence);
            self.timer_stats.merge(&lane.timers.stats);
        }
    }

    /// Removes and returns the first job of the first lane that has one.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<J> {
        if self.others.is_empty() {
            return self.normal.ready.pop_front();
        }
        self.pop_first().map(|(_, job)| job)
    }

    /// Removes the first job of the first lane that has one. Returns it with the lane's priority.
    pub(super) fn pop_first(&mut self) -> Option<(Priority, J)> {
        let first = self.first_ready(None)?;
        Some((first, self.pop_from(first)?))
    }

    /// Queues a job of the normal lane that is not urgent.
    #[inline]
    pub(super) fn push_normal(&mut self, job: J) {
        self.normal.ready.push_back(job);
    }

    /// Removes and returns the first job of the normal lane.
    #[inline]
    pub(super) fn pop_normal(&mut self) -> Option<J> {
        self.normal.ready.pop_front()
    }

    /// Removes and returns the first job of a lane.
    pub(super) fn pop_from(&mut self, priority: Priority) -> Option<J> {
        if priority == Priority::NORMAL {
            return self.normal.ready.pop_front();
        }
        let job = self.used_mut(priority)?.ready.pop_front();
        self.prune(priority);
        job
    }

    /// Returns the priority of the first lane that has ready jobs; of those after `after`, if it
    /// is given.
    pub(super) fn first_ready(&self, after: Option<Priority>) -> Option<Priority> {
        let has_job = |lane: &&Lane<J>| {
            !lane.ready.is_empty() && after.is_none_or(|after| lane.priority > after)
        };
        let is_higher = |lane: &&Lane<J>| lane.priority < Priority::NORMAL;
        let higher = self.others.iter().take_while(is_higher).find(has_job);
        let first = higher
            .or_else(|| Some(&self.normal).filter(has_job))
            .or_else(|| self.others.iter().skip_while(is_higher).find(has_job))?;
        Some(first.priority)
    }

    /// Returns the number of ready jobs of each lane that has some, by priority.
    pub(super) fn ready_by_lane(&self) -> impl Iterator<Item = (Priority, usize)> {
        self.in_order()
            .filter(|lane| !lane.ready.is_empty())
            .map(|lane| (lane.priority, lane.ready.len()))
    }

    /// Returns all lanes, by priority.
    fn in_order(&self) -> impl Iterator<Item = &Lane<J>> {
        let is_before = |lane: &Lane<J>| lane.priority < Priority::NORMAL;
        let (before, after) = self.others.split_at(self.others.partition_point(is_before));
        before
            .iter()
            .chain(std::iter::once(&self.normal))
            .chain(after)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Lane<J>> {
        std::iter::once(&mut self.normal).chain(&mut self.others)
    }

    /// Returns the number of ready jobs.
    #[inline]
    pub(super) fn ready(&self) -> usize {
        let normal = self.normal.ready.len();
        if self.others.is_empty() {
            return normal;
        }
        let others = self.others.iter().map(|lane| lane.ready.len());
        normal + others.sum::<usize>()
    }

    /// Keeps a lane in use until [`release`](Lanes::release), for a task or a watch.
    pub(super) fn retain(&mut self, priority: Priority) {
        if priority != Priority::NORMAL {
            self.lane_mut(priority).retained += 1;
        }
    }

    /// Takes back one [`retain`](Lanes::retain).
    pub(super) fn release(&mut self, priority: Priority) {
        if let Ok(index) = self.position(priority) {
            self.others[index].retained -= 1;
            self.prune(priority);
        }
    }

    /// Moves ready jobs of a lane, in their order, to the lanes of their priority as it is now.
    /// `changed` may change a job, and returns whether to move it.
    pub(super) fn requeue(&mut self, from: Priority, mut changed: impl FnMut(&mut J) -> bool) {
        let Some(lane) = self.used_mut(from) else {
            return;
        };
        let (mut stay, mut moved) = (VecDeque::new(), Vec::new());
        for mut job in std::mem::take(&mut lane.ready) {
            if changed(&mut job) {
                moved.push(job);
            } else {
                stay.push_back(job);
            }
        }
        lane.ready = stay;
        for job in moved {
            self.push(job);
        }
        self.prune(from);
    }

    /// Queues a job for a deadline, in its lane.
    pub(super) fn push_at(&mut self, when: Time, job: J) -> TimerKey {
        let priority = job.priority();
        self.lane_mut(priority).timers.insert(when, job)
    }

    /// Removes a timer and returns its job, unless it is ready already.
    pub(super) fn cancel(&mut self, key: TimerKey) -> Option<J> {
        let job = self.used_mut(key.priority)?.timers.cancel(key);
        self.prune(key.priority);
        job
    }

    /// Makes due timers ready, at most `limit` of them. Returns their number.
    pub(super) fn collect_timers(&mut self, now: Time, limit: usize) -> usize {
        if self.others.is_empty() {
            let Lane { ready, timers, .. } = &mut self.normal;
            let before = ready.len();
            ready.extend(std::iter::from_fn(|| timers.pop_due(now)).take(limit));
            return ready.len() - before;
        }
        let priorities: Vec<Priority> = self.in_order().map(|lane| lane.priority).collect();
        let mut count = 0;
        for priority in priorities {
            while count < limit
                && let Some(lane) = self.used_mut(priority)
                && let Some(job) = lane.timers.pop_due(now)
            {
                count += 1;
                self.push(job);
            }
            self.prune(priority);
        }
        count
    }

    /// Calls `visit` for the ready jobs that were queued since the lanes had `before` ready jobs.
    /// No job may have been removed since.
    pub(super) fn visit_added(
        &mut self,
        before: &[(Priority, usize)],
        mut visit: impl FnMut(&mut J),
    ) {
        for lane in self.all_mut() {
            let known = before
                .iter()
                .find(|lane_before| lane_before.0 == lane.priority);
            let known = known.map_or(0, |lane_before| lane_before.1);
            lane.ready.range_mut(known..).for_each(&mut visit);
        }
    }

    /// Returns the deadline of the earliest timer.
    #[inline]
    pub(super) fn next_due(&mut self) -> Option<Time> {
        let normal = self.normal.timers.next_due();
        if self.others.is_empty() {
            normal
        } else {
            self.next_due_of_all()
        }
    }

    #[cold]
    fn next_due_of_all(&mut self) -> Option<Time> {
        self.all_mut()
            .filter_map(|lane| lane.timers.next_due())
            .min()
    }

    /// Returns the deadline of the earliest timer with a higher priority than the normal one.
    pub(super) fn next_exact(&mut self) -> Option<Time> {
        self.others
            .iter_mut()
            .take_while(|lane| lane.priority < Priority::NORMAL)
            .filter_map(|lane| lane.timers.next_due())
            .min()
    }

    /// Returns the number of timers, including due ones.
    pub(super) fn timed(&self) -> usize {
        let others: usize = self.others.iter().map(|lane| lane.timers.len()).sum();
        self.normal.timers.len() + others
    }

    /// Returns how many timers of all lanes have become ready, and how late they were.
    pub(super) fn timer_stats(&self) -> TimerStats {
        let mut stats = self.timer_stats;
        self.in_order()
            .for_each(|lane| stats.merge(&lane.timers.stats));
        stats
    }

    /// Returns the ready jobs in the order in which they run.
    pub(super) fn ready_jobs(&self) -> impl Iterator<Item = &J> {
        self.in_order().flat_map(|lane| &lane.ready)
    }

    /// Returns the jobs of the timers, in no order.
    pub(super) fn timed_jobs(&self) -> impl Iterator<Item = &J> {
        self.in_order().flat_map(|lane| lane.timers.jobs())
    }

    /// Returns the jobs of the timers by deadline. Sorts them at each call.
    pub(super) fn timed_jobs_by_deadline(&self) -> impl Iterator<Item = &J> {
        let timers = self.in_order().flat_map(|lane| {
            let waiting = lane.timers.waiting();
            waiting.map(|(when, sequence, job)| ((when, lane.priority, sequence), job))
        });
        let mut timers: Vec<_> = timers.collect();
        timers.sort_unstable_by_key(|&(order, _)| order);
        timers.into_iter().map(|(_, job)| job)
    }

    /// Removes and returns all jobs, in no order.
    pub(super) fn drain(&mut self) -> Vec<J> {
        let mut jobs = Vec::new();
        for lane in self.all_mut() {
            jobs.extend(lane.ready.drain(..));
            jobs.extend(lane.timers.drain());
        }
        jobs
    }
}

impl<J: Queueable> Extend<J> for Lanes<J> {
    fn extend<I: IntoIterator<Item = J>>(&mut self, jobs: I) {
        jobs.into_iter().for_each(|job| self.push(job));
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
