//! Turns while a priority other than the normal one is in use.
//!
//! A job runs before all jobs of lower priorities. Four rules complete this:
//!
//! - An event must not wait for the end of a batch: while a higher priority than that of the next
//!   job is in use, the turn polls every 25 µs, between two jobs.
//! - No priority starves: a turn whose budget is spent ends with one job of each lower priority
//!   that has ready jobs.
//! - The rest of a batch that the budget has interrupted has no precedence: the next turn collects
//!   before its first job.
//! - The last batch of a turn runs as many jobs of each priority as were ready when it began. Jobs
//!   that its jobs queue wait for the next turn, as `asyncio.loop.stop()` requires.

use std::os::fd::RawFd;
use std::time::Duration;

use super::{Driver, Turn};
use crate::qt::app;
use crate::reactor::{Direction, Priority, Queueable, Time};

/// The time between two polls while a higher priority than that of the next job is in use. A poll
/// takes a thirtieth of it.
const POLL: Duration = Duration::from_micros(25);

/// The priority of the running job, and the Qt loop level at which it was set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunningPriority {
    priority: Priority,
    level: i32,
}

/// The part of a turn that concerns priorities.
#[derive(Debug, Default)]
pub(super) struct TurnLanes {
    /// The priority whose job was handed out last.
    served: Option<Priority>,
    /// The time at which the turn last looked for timers and events between two jobs.
    checked: Option<Time>,
    /// The budget is spent: the turn hands out one job of each lower priority.
    is_ending: bool,
    /// The number of jobs of the batch that were not handed out, by priority. Empty if the batch
    /// began before another priority than the normal one was in use.
    pub(super) rest: Vec<(Priority, usize)>,
}

impl<J: Queueable + 'static> Driver<J> {
    /// Returns whether a priority other than the normal one is in use.
    #[inline]
    #[must_use]
    pub fn has_priorities(&self) -> bool {
        !self.reactor.borrow().is_plain()
    }

    /// Marks a priority as in use. See [`Reactor::retain`](crate::reactor::Reactor::retain).
    #[inline]
    pub fn retain(&self, priority: Priority) {
        if priority != Priority::NORMAL {
            self.note_priorities();
            self.reactor.borrow_mut().retain(priority);
        }
    }

    /// Takes back one [`retain`](Driver::retain).
    #[inline]
    pub fn release(&self, priority: Priority) {
        if priority != Priority::NORMAL {
            self.reactor.borrow_mut().release(priority);
        }
    }

    /// Moves ready jobs. See [`Reactor::requeue`](crate::reactor::Reactor::requeue).
    pub fn requeue(&self, from: Priority, changed: impl FnMut(&mut J) -> bool) {
        self.note_priorities();
        self.reactor.borrow_mut().requeue(from, changed);
    }

    /// Changes the job of a watch. See
    /// [`Reactor::change_watch`](crate::reactor::Reactor::change_watch).
    pub fn change_watch(&self, fd: RawFd, direction: Direction, change: impl FnOnce(&mut J)) {
        self.note_priorities();
        self.reactor
            .borrow_mut()
            .change_watch(fd, direction, change);
    }

    /// Returns the priority of the running job, which the jobs that it queues inherit. It is the
    /// normal one outside of any job, and in a call from a Qt loop that the job runs.
    #[must_use]
    pub fn priority(&self) -> Priority {
        let RunningPriority { priority, level } = self.running.get();
        if priority == Priority::NORMAL || level == self.loop_level() {
            priority
        } else {
            Priority::NORMAL
        }
    }

    /// Returns whether the running code belongs to the job of the innermost turn. False outside of
    /// any job, and in a call from a Qt loop that the job runs.
    #[must_use]
    pub fn is_in_job(&self) -> bool {
        self.depth.get() > 0 && self.level.get().level == self.loop_level()
    }

    /// Returns whether a job may have another priority than the normal one: one is in use, or the
    /// running job has it. It may also return true for a while after that.
    #[inline]
    #[must_use]
    pub fn may_use_priorities(&self) -> bool {
        self.may_use_priorities.get()
    }

    /// Notes that a priority is in use from now on.
    #[inline]
    pub(super) fn note_priority(&self, priority: Priority) {
        if priority != Priority::NORMAL {
            self.note_priorities();
        }
    }

    /// Notes that a priority may be in use from now on. A turn that is running a batch without
    /// priorities then takes its next job by priority.
    #[cold]
    fn note_priorities(&self) {
        self.may_use_priorities.set(true);
        self.forget_batch_end();
    }

    /// Queues a job that may not belong to the normal lane.
    #[cold]
    pub(super) fn push_by_priority(&self, job: J) {
        self.note_priority(job.priority());
        self.reactor.borrow_mut().push(job);
    }

    /// Sets the priority of the running job.
    pub(super) fn set_running(&self, running: RunningPriority) {
        self.note_priority(running.priority);
        self.running.set(running);
    }

    /// Calls `work` with another priority of the running job, or of the code that runs outside of
    /// any job. Returns its result, and the priority to which `work` has
    /// [changed](Driver::change_priority) this one.
    pub fn with_priority<R>(&self, priority: Priority, work: impl FnOnce() -> R) -> (R, Priority) {
        let level = self.loop_level();
        let before = self.running.get();
        self.set_running(RunningPriority { priority, level });
        let result = work();
        let after = self.running.get().priority;
        self.set_running(before);
        (result, after)
    }

    /// Changes the priority of the running job, whose task has another one from now on. Inside
    /// [`with_priority`](Driver::with_priority), changes that one.
    pub fn change_priority(&self, priority: Priority) {
        let level = if self.depth.get() > 0 {
            // A call of `with_priority` may be in a Qt loop that the job runs.
            self.level.get().level.max(self.running.get().level)
        } else {
            self.loop_level()
        };
        self.set_running(RunningPriority { priority, level });
    }

    /// Returns whether a job that can be split should yield: the innermost turn has used up its
    /// time, or a job of a higher priority than that of the running one is ready. True outside of a
    /// turn.
    ///
    /// While a higher priority is in use, the call polls if the last poll was at least 25 µs ago.
    /// Otherwise the events of a task with that priority would wait for the end of a split job.
    #[must_use]
    pub fn should_yield(&self) -> bool {
        let Some(deadline) = self.turn_deadline.get() else {
            return true;
        };
        let now = Time::now();
        now >= deadline || (self.may_use_priorities() && self.is_higher_ready(now))
    }

    #[cold]
    fn is_higher_ready(&self, now: Time) -> bool {
        let running = self.priority();
        if self.reactor.borrow().highest() >= running {
            return false;
        }
        if now >= self.polled.get() + POLL {
            self.collect(now);
        }
        let first = self.reactor.borrow().first_ready(None);
        first.is_some_and(|first| first < running)
    }

    /// Returns the level of the innermost Qt loop of this thread. While Qt quits, a loop of
    /// [`in_nested_wait`](Driver::in_nested_wait) processes events without an `exec()`, at the
    /// level of the loop around it.
    pub(super) fn loop_level(&self) -> i32 {
        let nested_waits = i32::try_from(self.nested_waits.get()).unwrap_or(i32::MAX);
        app::level().saturating_add(nested_waits)
    }

    fn hand_out(&self, job: &J) {
        self.popped.set(self.popped.get() + 1);
        let level = self.level.get().level;
        let priority = job.priority();
        self.set_running(RunningPriority { priority, level });
    }
}

impl<J: Queueable + 'static> Turn<J> {
    /// Returns the next job while a priority other than the normal one is in use.
    #[inline(never)] // so that a turn without priorities stays small
    pub(super) fn next_by_priority(&mut self) -> Option<J> {
        if self.begun && self.lanes.rest.is_empty() {
            let left = self.end.saturating_sub(self.driver.popped.get());
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.lanes.rest.push((Priority::NORMAL, left));
        }
        loop {
            if self.lanes.is_ending {
                return self.next_of_lower_priority();
            }
            if self.begun && self.is_last_batch() {
                return self.next_of_last_batch();
            }
            if self.begun && self.driver.popped.get() < self.end {
                if self.is_budget_spent() {
                    self.lanes.is_ending = true;
                    continue;
                }
                self.poll_between_jobs();
                let first = self.driver.reactor.borrow_mut().pop_first();
                if let Some((priority, job)) = first {
                    return Some(self.hand_out(priority, job));
                }
            }
            if !self.driver.has_priorities() {
                // The job that has used the last one has returned.
                self.driver.may_use_priorities.set(false);
                self.driver.running.take();
            }
            let has_begun = self.begin_batch();
            self.count_batch();
            if !has_begun {
                if self.begun && self.is_budget_spent() {
                    self.lanes.is_ending = true;
                    continue;
                }
                return None;
            }
        }
    }

    /// Counts the jobs of a batch that begins, by priority.
    pub(super) fn count_batch(&mut self) {
        self.lanes.rest.clear();
        let reactor = self.driver.reactor.borrow();
        self.lanes.rest.extend(reactor.ready_by_priority());
    }

    /// Accounts for a job of a lane, which runs next.
    fn hand_out(&mut self, lane: Priority, job: J) -> J {
        self.driver.hand_out(&job);
        self.lanes.served = Some(lane);
        if let Some((_, left)) = self.lanes.rest.iter_mut().find(|rest| rest.0 == lane) {
            *left = left.saturating_sub(1);
        }
        self.is_running = true;
        job
    }

    fn pop_from(&mut self, lane: Priority) -> Option<J> {
        let job = self.driver.reactor.borrow_mut().pop_from(lane)?;
        Some(self.hand_out(lane, job))
    }

    /// Collects due jobs if the next job has not the highest priority in use. Collects timers
    /// whenever the clock was read, and events at most once per [`POLL`].
    fn poll_between_jobs(&mut self) {
        let now = self.clock.now;
        if self.lanes.checked.replace(now) == Some(now) {
            return;
        }
        let mut reactor = self.driver.reactor.borrow_mut();
        let highest = reactor.highest();
        if reactor
            .first_ready(None)
            .is_none_or(|first| first == highest)
        {
            return;
        }
        if now >= self.driver.polled.get() + POLL {
            drop(reactor);
            self.has_polled = true;
            self.driver.collect(now);
            return;
        }
        let timer_now = self.driver.timer_time(now);
        if reactor
            .next_deadline()
            .is_some_and(|when| when <= timer_now)
        {
            drop(reactor);
            self.driver.collect_timers(now);
        }
    }

    fn next_of_lower_priority(&mut self) -> Option<J> {
        let served = self.lanes.served;
        let next = self.driver.reactor.borrow().first_ready(served);
        match next {
            Some(next) => self.pop_from(next),
            None => None,
        }
    }

    fn next_of_last_batch(&mut self) -> Option<J> {
        (0..self.lanes.rest.len()).find_map(|index| {
            let (lane, left) = self.lanes.rest[index];
            (left > 0).then(|| self.pop_from(lane)).flatten()
        })
    }
}
