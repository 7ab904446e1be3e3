//! One turn: batch after batch of jobs, until nothing is ready or the time is up.

use std::rc::{Rc, Weak};
use std::time::Duration;

use super::{Driver, Level};
use crate::qt::{Linger, app};
use crate::reactor::{Recur, Time};

/// See [`Driver::set_poll_batches`].
const POLL: Duration = Duration::from_micros(50);

/// A turn in which a descriptor was ready asks every so many batches: there more is likely to come. Not with each: the first one wakes
/// tasks, and the second one runs them.
const IO_BATCHES: u32 = 2;

/// A turn that [rests if it spins](Turn::rest_if_spinning) does so after this many batches in a row
/// that took less than this time each and brought no timer, descriptor or job of another thread.
const SPINNING_BATCHES: u32 = 64;
const SPINNING: Duration = Duration::from_micros(50);

/// A job that takes less than this is quick, and the clock, which costs a tenth of it, is read once for so many of them.
const QUICK: Duration = Duration::from_nanos(400);
const QUICK_JOBS: u32 = 16;

/// Qt has called the driver. Nothing of the driver was touched yet: another thread may be using it, by the rules of the
/// face's scope.
#[derive(Debug)]
pub struct Wakeup<'a, J: Recur + 'static>(pub(super) &'a Weak<Driver<J>>);

impl<J: Recur + 'static> Wakeup<'_, J> {
    /// The turn that is due; `None` if the driver is gone. Call it inside the face's scope.
    #[must_use]
    pub fn turn(self) -> Option<Turn<J>> {
        self.0.upgrade().map(Turn::new)
    }
}

/// The jobs of one turn, in order. Run and drop each before asking for the next; drop the turn inside the face's scope.
///
/// Stop asking to end the turn early: what was not handed out stays queued.
#[derive(Debug)]
#[must_use = "dropping a turn ends it"]
pub struct Turn<J: Recur + 'static> {
    driver: Rc<Driver<J>>,
    begun: bool,
    /// Where this batch ends, as a number of [`Driver::popped`].
    end: u64,
    /// When to give the thread back to Qt; `None` after this batch.
    until: Option<Time>,
    /// The same, in the middle of a batch.
    cut: Time,
    pace: Pace,
    /// A job is out; time has passed for some other reason.
    is_running: bool,
    has_waited: bool,
    /// When the poller was asked last, and how many batches there were since.
    polled: Time,
    unpolled: u32,
    has_polled: bool,
    /// A descriptor or another thread had something in this turn.
    saw_io: bool,
    /// And since the last wait for more.
    lingers: bool,
    /// The level of the enclosing turn.
    outer: Level,
    /// See [`rest_if_spinning`](Turn::rest_if_spinning).
    may_rest: bool,
    /// When the last batch began, and the number of spinning batches in a row.
    batch_begun: Time,
    spinning: u32,
}

impl<J: Recur + 'static> Turn<J> {
    fn new(driver: Rc<Driver<J>>) -> Turn<J> {
        driver.depth.set(driver.depth.get() + 1);
        let outer = driver.level.get();
        // While Qt quits, a loop of `hold` processes events without an exec(), at the same level.
        let held = i32::try_from(driver.held.get()).unwrap_or(i32::MAX);
        let level = app::level().saturating_add(held);
        let is_same = driver.depth.get() > 1 && outer.level == level;
        let nested = if is_same { outer.nested + 1 } else { 1 };
        driver.level.set(Level { level, nested });
        Turn {
            driver,
            begun: false,
            end: 0,
            until: None,
            cut: Time::NEVER,
            pace: Pace {
                now: Time::from_nanos(0),
                allowed: 1,
                unread: 0,
            },
            is_running: false,
            has_waited: false,
            polled: Time::NEVER,
            unpolled: 0,
            has_polled: false,
            saw_io: false,
            lingers: false,
            outer,
            may_rest: false,
            batch_begun: Time::NEVER,
            spinning: 0,
        }
    }

    pub(super) fn of_one_batch(driver: Rc<Driver<J>>) -> Turn<J> {
        let mut turn = Turn::new(driver);
        turn.begun = true;
        turn.end = turn.driver.end_of_ready();
        turn
    }

    /// How deep this turn is nested; the outermost is 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.driver.depth()
    }

    /// Ends this turn when its jobs only queue each other, and begins the next one a millisecond later.
    /// For a turn inside a job, whose jobs may spin until that job returns: anyio does so when it
    /// cancels a task that has a dialog open.
    pub fn rest_if_spinning(&mut self) {
        self.may_rest = true;
    }

    /// Whether this batch must wait for a rest.
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

    /// Whether the next turn must wait, because this one spins.
    fn rests(&self) -> bool {
        self.may_rest && self.spinning >= SPINNING_BATCHES
    }

    /// Collects what is due; what descriptors and other threads have, not with every batch while jobs are ready.
    /// False if there is nothing to do now.
    fn begin_batch(&mut self) -> bool {
        if self.driver.refuses() {
            return false;
        }
        if !self.begun || std::mem::take(&mut self.has_waited) {
            self.pace.begin();
        }
        let now = self.pace.now;
        let rest = self.driver.rest.get();
        if !self.begun && self.driver.popped.get() < rest {
            self.end = rest;
            self.begin(now, true);
            return true;
        }
        let (has_timer, is_idle, is_active) = {
            let mut reactor = self.driver.reactor.borrow_mut();
            let has_timer = reactor.next_deadline().is_some_and(|when| when <= now);
            let is_idle = reactor.ready() == 0 && !has_timer;
            (has_timer, is_idle, reactor.take_active())
        };
        self.saw_io |= is_active;
        self.lingers |= is_active;
        if self.is_spinning(now, has_timer || is_active) {
            return false;
        }
        if is_idle && self.lingers && self.begun && !self.driver.linger().is_zero() {
            // To wait for more is also to ask for it.
            return false;
        }
        self.unpolled += 1;
        let batches = if self.saw_io {
            IO_BATCHES
        } else {
            self.driver.poll_batches.get()
        };
        let is_due = self.unpolled >= batches || now >= self.polled + POLL;
        if !self.begun || is_idle || is_due {
            self.polled = now;
            self.unpolled = 0;
            self.has_polled = true;
            self.driver.collect(now);
        } else if has_timer {
            self.driver.reactor.borrow_mut().collect_timers(now);
        }
        self.end = self.driver.end_of_ready();
        let is_ready = self.end > self.driver.popped.get();
        if !self.begun {
            self.begin(now, is_ready);
        } else if self.until.is_none_or(|until| now >= until) {
            return false;
        }
        is_ready
    }

    /// The first batch.
    fn begin(&mut self, now: Time, is_ready: bool) {
        self.begun = true;
        let budget = self.driver.budget();
        self.until = Some(now + budget);
        if !budget.is_zero() {
            self.cut = now + budget;
        }
        if is_ready {
            // Before the first job: it may run a Qt loop, and the others must not wait for its end. Armed anew even
            // if armed: it may be the timer that has called us, and Qt does not fire a timer inside its own call.
            self.driver.armed.set(false);
            self.driver.arm_now();
        }
    }

    /// When a job had better come to its end, for Qt to have its turn.
    #[must_use]
    pub fn until(&self) -> Time {
        self.cut
    }

    /// Whether the system was asked for more since this was asked last: a good moment for a face to let others have what
    /// its scope holds.
    pub fn take_polled(&mut self) -> bool {
        std::mem::take(&mut self.has_polled)
    }

    /// After the last job: what to wait for before the turn may go on with the next one. `None` if it is better to end
    /// it: nothing came from descriptors or other threads, or the time is up.
    ///
    /// The wait is apart from the turn because a face may have to leave its scope for it.
    pub fn linger(&mut self) -> Option<Linger> {
        if !std::mem::take(&mut self.lingers) || self.driver.stops_now() {
            return None;
        }
        self.has_waited = true;
        let now = Time::now();
        let deadline = self.driver.reactor.borrow_mut().next_deadline();
        let until = [self.until, deadline].into_iter().flatten().min()?;
        let timeout = until.after(now)?.min(self.driver.linger());
        let host = self.driver.host.borrow();
        (!timeout.is_zero()).then_some(host.as_ref()?.linger(timeout))
    }
}

impl<J: Recur + 'static> Iterator for Turn<J> {
    type Item = J;

    fn next(&mut self) -> Option<J> {
        if std::mem::take(&mut self.is_running) {
            self.pace.step();
        }
        loop {
            if self.until.is_some() && !self.driver.is_attached() {
                // A job has detached the driver: the rest waits for the next time.
                return None;
            }
            if self.driver.popped.get() < self.end {
                if self.pace.now >= self.cut && !self.driver.stops_now() {
                    // The rest of the batch is the first of the next turn, before anything else is asked.
                    self.driver.rest.set(self.end);
                    return None;
                }
                if let Some(job) = self.driver.pop() {
                    self.is_running = true;
                    return Some(job);
                }
            }
            let is_last = self.begun && (self.until.is_none() || self.driver.stops_now());
            if is_last || !self.begin_batch() {
                return None;
            }
        }
    }
}

impl<J: Recur + 'static> Drop for Turn<J> {
    fn drop(&mut self) {
        self.driver.depth.set(self.driver.depth.get() - 1);
        self.driver.level.set(self.outer);
        // A paused turn has run nothing.
        if self.driver.depth.get() == 0 && !self.driver.paused.get() {
            let queued = self.driver.end_of_ready();
            self.driver.last_queued.set(queued);
        }
        self.driver.finish(self.rests());
    }
}

/// The time as a turn knows it: as it was a few quick jobs ago, or now.
#[derive(Debug)]
struct Pace {
    now: Time,
    /// How many jobs may do without the clock, and how many have.
    allowed: u32,
    unread: u32,
}

impl Pace {
    fn begin(&mut self) {
        *self = Pace {
            now: Time::now(),
            allowed: 1,
            unread: 0,
        };
    }

    /// A job has run.
    fn step(&mut self) {
        self.unread += 1;
        if self.unread >= self.allowed {
            let before = std::mem::replace(&mut self.now, Time::now());
            let is_quick = self.now < before + QUICK * self.unread;
            // By and by: what is not quick after all comes after quick ones, and is not to be seen 16 times too late.
            self.allowed = if is_quick {
                QUICK_JOBS.min(2 * self.allowed)
            } else {
                1
            };
            self.unread = 0;
        }
    }
}
