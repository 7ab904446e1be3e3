//! A turn: an iterator that runs batches of jobs until none is ready or the time budget is spent.

use std::rc::{Rc, Weak};
use std::time::Duration;

use super::lanes::{RunningPriority, TurnLanes};
use super::{Driver, Level, Phase};
use crate::reactor::{Linger, Queueable, Time};

/// The time after which a busy turn polls in any case. See [`Driver::set_poll_batches`].
const POLL: Duration = Duration::from_micros(50);

/// A turn in which a descriptor was ready polls after this number of batches, since more events are
/// likely. Not after each batch: the first one wakes tasks, and the second one runs them.
const IO_BATCHES: u32 = 2;

/// A turn that [rests if it spins](Turn::rest_if_spinning) rests after this number of spinning
/// batches in a row. A batch spins if it takes less than `SPINNING` and brings no timer, event or
/// remote job.
const SPINNING_BATCHES: u32 = 64;
const SPINNING: Duration = Duration::from_micros(50);

/// A job that takes less than `QUICK` is quick. Reading the clock costs a tenth of that, so it is
/// read once for up to `QUICK_JOBS` quick jobs.
const QUICK: Duration = Duration::from_nanos(400);
const QUICK_JOBS: u32 = 16;

/// A call from Qt for which the front end has not entered its scope yet. It does not touch the
/// driver, which another thread may be using (in Python: one that holds the GIL).
#[derive(Debug)]
pub struct Wakeup<'a, J: Queueable + 'static>(pub(super) &'a Weak<Driver<J>>);

impl<J: Queueable + 'static> Wakeup<'_, J> {
    /// Begins the turn; `None` if the driver was dropped. Call it inside the front end's scope.
    #[must_use]
    pub fn turn(self) -> Option<Turn<J>> {
        self.0.upgrade().map(Turn::new)
    }
}

/// The jobs of one turn, in order. Run and drop each job before asking for the next one, and drop
/// the turn inside the front end's scope.
///
/// To end the turn early, stop asking: the remaining jobs stay queued.
#[derive(Debug)]
#[must_use = "dropping a turn ends it"]
pub struct Turn<J: Queueable + 'static> {
    pub(super) driver: Rc<Driver<J>>,
    pub(super) begun: bool,
    /// An event or a deadline has begun the turn. False if Qt was to call at once, for ready jobs.
    is_wakeup: bool,
    /// The end of this batch, as a number of [`Driver::popped`].
    pub(super) end: u64,
    /// The time at which the turn ends in the middle of a batch.
    batch_deadline: Time,
    pub(super) clock: CachedClock,
    /// A job was handed out and has not been counted by `clock` yet.
    pub(super) is_running: bool,
    /// `linger` was called since the last batch, so `clock` is stale.
    has_waited: bool,
    /// The number of batches since the last poll.
    unpolled: u32,
    pub(super) has_polled: bool,
    /// A descriptor or another thread had an event in this turn.
    saw_io: bool,
    /// An event came since the turn last lingered. It came so soon after the jobs of the event
    /// before it that a linger would have been long enough.
    lingers: bool,
    pub(super) lanes: TurnLanes,
    /// The level, the deadline and the priority of the job that this turn is nested in.
    outer: Level,
    outer_deadline: Option<Time>,
    outer_running: RunningPriority,
    /// See [`rest_if_spinning`](Turn::rest_if_spinning).
    may_rest: bool,
    /// When the last batch began, and the number of spinning batches in a row.
    batch_begun: Time,
    spinning: u32,
    /// [`Driver::observer_changes`] when this turn began, and when its last observed job began.
    pub(super) changes_at_turn: u64,
    pub(super) changes_at_job: u64,
}

impl<J: Queueable + 'static> Driver<J> {
    /// Lets the innermost turn check everything before its next job.
    #[inline]
    pub(super) fn forget_batch_end(&self) {
        self.plain_end.set(0);
        self.observed_end.set(0);
    }
}

impl<J: Queueable + 'static> Turn<J> {
    fn new(driver: Rc<Driver<J>>) -> Turn<J> {
        driver.depth.set(driver.depth.get() + 1);
        let is_wakeup = !driver.armed.get();
        let changes_at_turn = driver.observer_changes.get();
        if driver.is_observed.get() {
            driver.notify(|observer| observer.turn_begins(driver.depth.get()));
        }
        let outer = driver.level.get();
        let outer_deadline = driver.turn_deadline.take();
        let outer_running = driver.running.take();
        driver.forget_batch_end();
        let level = driver.loop_level();
        let is_same = driver.depth.get() > 1 && outer.level == level;
        let nested = if is_same { outer.nested + 1 } else { 1 };
        driver.level.set(Level { level, nested });
        Turn {
            driver,
            begun: false,
            is_wakeup,
            end: 0,
            batch_deadline: Time::NEVER,
            clock: CachedClock {
                now: Time::from_nanos(0),
                allowed: 1,
                unread: 0,
            },
            is_running: false,
            has_waited: false,
            unpolled: 0,
            has_polled: false,
            saw_io: false,
            lingers: false,
            lanes: TurnLanes::default(),
            outer,
            outer_deadline,
            outer_running,
            may_rest: false,
            batch_begun: Time::NEVER,
            spinning: 0,
            changes_at_turn,
            changes_at_job: 0,
        }
    }

    /// Begins a turn of the jobs that are ready now. See [`Driver::batch`].
    pub(super) fn of_one_batch(driver: Rc<Driver<J>>) -> Turn<J> {
        let mut turn = Turn::new(driver);
        turn.begun = true;
        turn.clock.restart();
        turn.driver.counters.begin_turn(turn.clock.now, false);
        turn.end = turn.driver.end_of_ready();
        turn.count_batch();
        turn
    }

    /// Returns the time from which no further batch begins; `None` if this batch is the last. A
    /// nested turn restores it.
    fn deadline(&self) -> Option<Time> {
        self.driver.turn_deadline.get()
    }

    /// Returns how deep this turn is nested; the outermost is 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.driver.depth()
    }

    /// Lets this turn rest if it spins: when its jobs only queue each other, it ends, and the next
    /// turn begins a millisecond later. For a turn inside a job, whose jobs may spin until that job
    /// returns: anyio does so when it cancels a task that has a dialog open.
    pub fn rest_if_spinning(&mut self) {
        self.may_rest = true;
    }

    /// Counts the batch that has ended if it spun, and returns whether the turn must rest now.
    fn is_spinning(&mut self, now: Time, is_outside: bool) -> bool {
        let is_quick = now < self.batch_begun + SPINNING;
        self.spinning = if is_quick && !is_outside {
            self.spinning + 1
        } else {
            0
        };
        self.batch_begun = now;
        self.rests()
    }

    /// Returns whether the next turn must wait, because this one spins.
    fn rests(&self) -> bool {
        self.may_rest && self.spinning >= SPINNING_BATCHES
    }

    /// Collects the jobs that are due. While jobs are ready, not every batch polls descriptors and
    /// other threads. Returns false if the turn is to end, or to linger.
    #[inline(always)] // a tenth of the time of a batch of one task
    pub(super) fn begin_batch(&mut self) -> bool {
        if !self.driver.may_begin_batch() {
            return false;
        }
        let has_waited = std::mem::take(&mut self.has_waited);
        if !self.begun || has_waited {
            self.clock.restart();
        }
        let now = self.clock.now;
        if has_waited {
            self.driver.polled.set(now);
            self.unpolled = 0;
        }
        let resume_end = self.driver.resume_end.get();
        let has_rest = !self.begun && self.driver.popped.get() < resume_end;
        if has_rest && !self.driver.may_use_priorities() {
            self.end = resume_end;
            self.begin_first_batch(now, true);
            return true;
        }
        let (has_timer, mut ready, is_active) = {
            let mut reactor = self.driver.reactor.borrow_mut();
            let deadline = reactor.next_deadline();
            let has_timer = deadline.is_some_and(|when| when <= self.driver.timer_time(now));
            (has_timer, reactor.ready(), reactor.take_active())
        };
        let is_idle = ready == 0 && !has_timer;
        if is_active {
            self.saw_io = true;
            self.lingers =
                self.driver.polled.get() <= self.driver.last_io.get() + self.driver.linger();
        }
        if self.saw_io && !(is_idle && has_waited) {
            self.driver.last_io.set(now);
        }
        if self.may_rest && self.is_spinning(now, has_timer || is_active) {
            return false;
        }
        if is_idle && has_waited {
            return false; // the wait has brought nothing
        }
        if is_idle && self.lingers && self.begun && !self.driver.linger().is_zero() {
            // Lingering polls, so skip this poll.
            return false;
        }
        self.unpolled += 1;
        let batches = if self.saw_io {
            IO_BATCHES
        } else {
            self.driver.poll_batches.get()
        };
        let is_due = self.unpolled >= batches || now >= self.driver.polled.get() + POLL;
        if !self.begun || is_idle || is_due {
            self.unpolled = 0;
            self.has_polled = true;
            self.driver.collect(now);
            if !self.begun {
                self.driver.jump(now);
            }
            ready = self.driver.reactor.borrow().ready();
        } else if has_timer {
            self.driver.collect_timers(now);
            ready = self.driver.reactor.borrow().ready();
        }
        self.end = self.driver.popped.get() + ready as u64;
        let is_ready = ready > 0;
        if !self.begun {
            self.begin_first_batch(now, is_ready);
        } else if self.deadline().is_none_or(|deadline| now >= deadline) {
            return false;
        }
        is_ready
    }

    /// Returns the next job if the batch has ended, must end, or has jobs of several priorities.
    #[inline(always)] // a call would cost a tenth of a batch of one task
    pub(super) fn next_of_new_batch(&mut self) -> Option<J> {
        if self.begun && self.driver.counters.is_interrupted() {
            self.clock.restart();
            self.driver.counters.resume_turn(self.clock.now);
        }
        loop {
            if self.is_detached() {
                return None;
            }
            if self.driver.may_use_priorities() {
                return self.next_by_priority();
            }
            self.lanes.rest.clear(); // a nested turn may have ended the use of priorities
            self.set_batch_end();
            if self.driver.popped.get() < self.end {
                if self.is_budget_spent() {
                    // The next turn begins with the rest of the batch, before it polls, unless a
                    // priority is in use by then.
                    self.driver.resume_end.set(self.end);
                    return None;
                }
                if let Some(job) = self.driver.pop_normal() {
                    self.is_running = true;
                    return Some(job);
                }
            }
            let is_last = self.begun && (self.deadline().is_none() || self.driver.stops_now());
            if is_last || !self.begin_batch() {
                return None;
            }
            self.set_batch_end();
            if let Some(job) = self.driver.pop_normal() {
                self.is_running = true;
                return Some(job);
            }
        }
    }

    /// Lets [`next`](Turn::next) hand out the jobs of this batch without further checks.
    fn set_batch_end(&self) {
        if self.driver.is_observed.get() {
            self.driver.observed_end.set(self.end);
        } else {
            self.driver.plain_end.set(self.end);
        }
    }

    /// Returns the next job of a batch without priorities, unless the turn must end.
    #[inline]
    pub(super) fn next_of_batch(&mut self) -> Option<J> {
        if self.is_budget_spent() {
            return None;
        }
        let job = self.driver.pop_normal()?;
        self.is_running = true;
        Some(job)
    }

    /// Returns whether a job has detached the driver. The remaining jobs wait until it is attached
    /// again.
    fn is_detached(&self) -> bool {
        self.deadline().is_some() && !self.driver.is_attached()
    }

    /// Sets the deadlines of the turn, and arms the host if jobs are ready.
    fn begin_first_batch(&mut self, now: Time, is_ready: bool) {
        self.begun = true;
        self.driver.counters.begin_turn(now, self.is_wakeup);
        let budget = self.driver.budget();
        self.driver.turn_deadline.set(Some(now + budget));
        if !budget.is_zero() {
            self.batch_deadline = now + budget;
        }
        if is_ready {
            // Arm before the first job: it may run a nested Qt loop, in which the other jobs must
            // run. Arm again even if armed: the timer that has called us may be the one that is
            // armed, and Qt does not fire a timer inside its own call.
            self.driver.armed.set(false);
            self.driver.arm_now();
        }
    }

    /// Returns whether the turn ends as soon as its batch does.
    pub(super) fn is_last_batch(&self) -> bool {
        let is_whole = self.batch_deadline == Time::NEVER; // the budget is zero
        self.deadline().is_none() || is_whole || self.driver.stops_now()
    }

    /// Returns whether the turn ends in the middle of its batch.
    pub(super) fn is_budget_spent(&self) -> bool {
        self.clock.now >= self.batch_deadline && !self.driver.stops_now()
    }

    /// Returns the time by which a job should return to let Qt run; [`Time::NEVER`] if the budget
    /// is zero.
    #[must_use]
    pub fn job_deadline(&self) -> Time {
        self.batch_deadline
    }

    /// Returns the time, which is read after each slow job and after some quick ones.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now
    }

    /// Returns whether the turn has polled since the last call: a good moment for a front end to
    /// release its scope (the GIL) to other threads.
    pub fn take_polled(&mut self) -> bool {
        std::mem::take(&mut self.has_polled)
    }

    /// Waits when no job is ready; after it, the turn may have jobs again. Returns false, without
    /// waiting, if the turn should end:
    ///
    /// - no descriptor or other thread had an event since the last linger,
    /// - events do not follow each other closely enough,
    /// - the budget is spent, a timer is due, or a stop was requested.
    ///
    /// `wait` calls [`Linger::wait`] and does not use the driver: a front end may have to leave its
    /// scope for it.
    pub fn linger(&mut self, wait: impl FnOnce(&mut Linger)) -> bool {
        if !std::mem::take(&mut self.lingers) || self.driver.stops_now() {
            return false;
        }
        let Some((linger, timeout)) = self.begin_linger() else {
            return false;
        };
        self.has_waited = true;
        self.driver.linger_by(linger, timeout, wait);
        true
    }

    /// Returns the wait and its maximum time; `None` if there is no time for one.
    fn begin_linger(&self) -> Option<(Linger, Duration)> {
        let now = Time::now();
        let deadline = self.driver.reactor.borrow_mut().next_deadline();
        let wait = self.driver.wait_for_timers(now, deadline);
        let rest = self.deadline()?.after(now)?;
        let timeout = rest.min(wait.unwrap_or(rest)).min(self.driver.linger());
        if timeout.is_zero() {
            return None;
        }
        let mut reactor = self.driver.reactor.borrow_mut();
        let host = self.driver.host.borrow();
        let linger = reactor.linger(host.as_ref()?.descriptor(), timeout);
        Some((linger, timeout))
    }
}

impl<J: Queueable + 'static> Iterator for Turn<J> {
    type Item = J;

    #[inline]
    fn next(&mut self) -> Option<J> {
        let has_ended = std::mem::take(&mut self.is_running);
        if has_ended {
            self.clock.count_job();
        }
        if self.driver.popped.get() < self.driver.plain_end.get()
            && let Some(job) = self.next_of_batch()
        {
            return Some(job);
        }
        if self.driver.is_observed.get() {
            return self.next_observed(has_ended);
        }
        self.next_of_new_batch()
    }
}

impl<J: Queueable + 'static> Drop for Turn<J> {
    fn drop(&mut self) {
        let depth = self.driver.depth.get();
        if self.begun {
            self.driver.counters.end_turn(self.clock.now);
        }
        if self.driver.is_observed.get() {
            self.end_observed(depth);
        }
        self.driver.depth.set(depth - 1);
        self.driver.level.set(self.outer);
        self.driver.turn_deadline.set(self.outer_deadline);
        self.driver.set_running(self.outer_running);
        self.driver.forget_batch_end(); // the enclosing turn sets it again
        // A paused turn has run nothing.
        if self.driver.depth.get() == 0 && self.driver.phase.get() != Phase::Paused {
            let queued = self.driver.end_of_ready();
            self.driver.last_queued.set(queued);
        }
        self.driver.end_turn(self.rests());
    }
}

/// The cached clock of a turn. It is read after each slow job, and after up to `QUICK_JOBS` quick
/// ones.
#[derive(Debug)]
pub(super) struct CachedClock {
    pub(super) now: Time,
    /// The number of jobs after which the clock is read, and the number of jobs since.
    allowed: u32,
    unread: u32,
}

impl CachedClock {
    fn restart(&mut self) {
        *self = CachedClock {
            now: Time::now(),
            allowed: 1,
            unread: 0,
        };
    }

    /// Counts a job that has run, and reads the clock if enough have.
    fn count_job(&mut self) {
        self.unread += 1;
        if self.unread >= self.allowed {
            let before = std::mem::replace(&mut self.now, Time::now());
            let is_quick = self.now < before + QUICK * self.unread;
            // Grow gradually: a slow job after quick ones must be noticed before 16 of them have
            // run.
            self.allowed = if is_quick {
                QUICK_JOBS.min(2 * self.allowed)
            } else {
                1
            };
            self.unread = 0;
        }
    }
}
