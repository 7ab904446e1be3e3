//! The driver joins a [`Host`] to a [`Reactor`]: calls from Qt become *turns* that run queued jobs.
//!
//! Qt calls the host when the poll descriptor is readable (a file descriptor, the timerfd or
//! another thread had an event), or when the host's timer has fired (a job was queued outside of a
//! turn, or the last turn left jobs). The host calls the front end with a [`Wakeup`]. The front end
//! enters its scope once (for Python: acquires the GIL) and asks for a [`Turn`], an iterator over
//! jobs. It runs and drops the jobs one by one, and drops the turn inside the scope.
//!
//! A turn runs *batches* without returning to Qt, until no job is ready or the time
//! [budget](Driver::set_budget) is spent. A batch is the jobs that were ready when it began.
//! Between two batches the reactor collects the jobs that have become due. If no job is ready and
//! events follow each other closely, a front end may [linger](Turn::linger) for the next event
//! before it returns to Qt. `lanes.rs` changes this order while a priority is in use, and
//! `virtual_time.rs` can replace the clock of the timers.
//!
//! A job may run a nested Qt event loop (a modal dialog). The host is armed before the first job
//! runs, so Qt calls it again in the nested loop, and a nested turn runs the other jobs. All state
//! is in cells that are never borrowed while a job runs.
//!
//! `Driver` and [`Turn`] form one state machine: read `turn.rs`, `lanes.rs` and `run.rs` together.

mod jobs;
mod lanes;
mod observer;
mod run;
mod stats;
mod turn;
mod virtual_time;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::qt::Host;
use crate::reactor::{Priority, Queueable, Reactor, Time};

pub use observer::Observer;
pub use stats::DriverStats;
pub use turn::{Turn, Wakeup};
pub use virtual_time::VirtualTime;

use lanes::RunningPriority;
use run::{Phase, Stop};
use stats::Counters;

/// The default time budget of a turn. A frame at 60 Hz has room for eight such turns. Even a tenth
/// of this budget would have nearly all of the gain of batching.
const BUDGET: Duration = Duration::from_millis(2);

/// A turn in which no descriptor or other thread had an event polls after this number of batches,
/// or after 50 µs. A poll costs as much as a dozen jobs, and an event can wait that long.
const POLL_BATCHES: u32 = 256;

/// The default time that a turn lingers for the next request of a busy connection. The answer to a
/// request arrives after some 20 µs on one machine and 100 µs on a fast network. A user does not
/// notice a delay of that length.
const LINGER: Duration = Duration::from_micros(100);

/// The maximum number of turns that nest at one Qt loop level. A callback that calls
/// `processEvents()` nests one turn per call. A nested `exec()`, such as that of a modal dialog,
/// raises the level and starts a new count.
const MAX_NESTED_AT_LEVEL: usize = 16;

/// The delay before the turn that follows a [rest](Turn::rest_if_spinning) or a
/// [retry](Driver::retry_soon).
const REST: Duration = Duration::from_millis(1);
const RETRY: Duration = Duration::from_millis(20);

/// The Qt loop level of a turn (`QThread::loopLevel()`), and the number of turns nested at it, this
/// one included.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    level: i32,
    nested: usize,
}

/// A loop without a front end. Jobs can be queued at any time; they run while the driver is
/// attached to Qt.
///
/// Any Qt loop on the driver's thread calls an attached driver when a turn is due. A *run*
/// ([`begin_run`](Driver::begin_run)) adds an end: [`stop`](Driver::stop) exits the Qt loop of the
/// run, and no outermost turn runs jobs after the application's quit.
pub struct Driver<J> {
    reactor: RefCell<Reactor<J>>,
    host: RefCell<Option<Host>>,
    /// Exits the Qt loop of the current run; called at the end of the turn that finds a stop.
    exit_run: RefCell<Option<Rc<dyn Fn()>>>,
    /// The same while there is no run. Returns false if no Qt loop can be exited.
    exit_unrun: RefCell<Option<Rc<dyn Fn() -> bool>>>,
    /// The number of times that the application had emitted `aboutToQuit` when the run began.
    quits_before: Cell<u32>,
    budget: Cell<Duration>,
    linger: Cell<Duration>,
    /// When the last job ended in a turn with an event of a descriptor or another thread.
    last_io: Cell<Time>,
    poll_batches: Cell<u32>,
    /// The number of turns that are running, nested in one another.
    depth: Cell<usize>,
    /// The level of the innermost turn.
    level: Cell<Level>,
    /// The deadline of the innermost turn; `None` outside of a turn, before its first batch, and in a
    /// turn of one batch.
    turn_deadline: Cell<Option<Time>>,
    /// The end of the batch of the innermost turn, as a number of `popped`, while no priority is in
    /// use and there is no observer; otherwise zero.
    plain_end: Cell<u64>,
    /// The same while there is an observer.
    observed_end: Cell<u64>,
    /// See [`may_use_priorities`](Driver::may_use_priorities).
    may_use_priorities: Cell<bool>,
    /// The priority of the running job.
    running: Cell<RunningPriority>,
    /// The time of the last poll, by a turn or by [`should_yield`](Driver::should_yield).
    polled: Cell<Time>,
    /// The number of jobs handed out since the driver was made. A batch ends at such a number,
    /// because a nested turn takes jobs from the same batch.
    popped: Cell<u64>,
    /// The number of the last job that was queued when the last outermost turn ended.
    last_queued: Cell<u64>,
    /// The end of a batch that a turn has interrupted because its budget was spent.
    resume_end: Cell<u64>,
    /// The host is armed to begin a turn as soon as Qt has processed its own events.
    armed: Cell<bool>,
    /// The host's timer is set for a [`REST`] or a [`RETRY`].
    resting: Cell<bool>,
    stop: Cell<Stop>,
    /// The phase of the current run or, outside of a run, of the last one.
    phase: Cell<Phase>,
    /// The number of [`in_nested_wait`](Driver::in_nested_wait) loops that are running.
    nested_waits: Cell<usize>,
    /// The error of the last failed poll, until `take_error`.
    error: RefCell<Option<io::Error>>,
    /// In a forked child, the depth of turns at the fork; no deeper turns begin. See `after_fork`.
    forked_at: Cell<Option<usize>>,
    /// The thread of the host. A `Driver` is not `Send`, but Python code can call the loop from
    /// another thread by mistake. Such a call wakes the poller and does not touch Qt.
    thread: Cell<Option<ThreadId>>,
    /// The clock of the timers, if it is not the real one.
    virtual_time: OnceCell<Arc<VirtualTime>>,
    /// The number of operations outside of the loop during which that clock does not jump.
    holds: Cell<usize>,
    counters: Counters,
    /// There is an observer. Then `plain_end` stays zero.
    is_observed: Cell<bool>,
    /// How often the observer was set or removed.
    observer_changes: Cell<u64>,
    observer: RefCell<Option<Rc<dyn Observer<J>>>>,
    /// An empty vector for the number of ready jobs of each priority before a collection.
    ready_before: Cell<Vec<(Priority, usize)>>,
}

impl<J: Queueable + 'static> Driver<J> {
    /// Makes a driver that is not attached yet. Without `timer_fd`, or on a platform without a
    /// timerfd, timers use a precise `QTimer`, which is late by up to a millisecond.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn new(timer_fd: bool) -> io::Result<Rc<Driver<J>>> {
        Ok(Rc::new(Driver {
            reactor: RefCell::new(Reactor::new(timer_fd)?),
            host: RefCell::new(None),
            exit_run: RefCell::new(None),
            exit_unrun: RefCell::new(None),
            quits_before: Cell::new(0),
            budget: Cell::new(BUDGET),
            linger: Cell::new(LINGER),
            last_io: Cell::new(Time::from_nanos(i64::MIN)),
            poll_batches: Cell::new(POLL_BATCHES),
            depth: Cell::new(0),
            level: Cell::default(),
            turn_deadline: Cell::new(None),
            plain_end: Cell::new(0),
            observed_end: Cell::new(0),
            may_use_priorities: Cell::new(false),
            running: Cell::default(),
            polled: Cell::new(Time::from_nanos(0)),
            popped: Cell::new(0),
            last_queued: Cell::new(0),
            resume_end: Cell::new(0),
            armed: Cell::new(false),
            resting: Cell::new(false),
            stop: Cell::new(Stop::None),
            phase: Cell::new(Phase::Running),
            nested_waits: Cell::new(0),
            error: RefCell::new(None),
            forked_at: Cell::new(None),
            thread: Cell::new(None),
            virtual_time: OnceCell::new(),
            holds: Cell::new(0),
            counters: Counters::new(),
            is_observed: Cell::new(false),
            observer_changes: Cell::new(0),
            observer: RefCell::new(None),
            ready_before: Cell::default(),
        }))
    }

    /// Attaches the driver to this thread's Qt event loop until [`detach`](Driver::detach). Any Qt
    /// loop on this thread calls `front_end` when a turn is due.
    ///
    /// After a [`stop`](Driver::stop) outside of a run, `exit` is called at the end of the turn
    /// that finds the stop. It exits the Qt loop that serves the driver. If it returns false, the
    /// stop ends the next run after its first batch.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn attach(
        self: &Rc<Self>,
        front_end: impl Fn(Wakeup<'_, J>) + 'static,
        exit: impl Fn() -> bool + 'static,
    ) -> io::Result<()> {
        let descriptor = self.reactor.borrow().descriptor().try_clone_to_owned()?;
        let driver = Rc::downgrade(self);
        let host = Host::new(descriptor, move || front_end(Wakeup(&driver)));
        self.exit_unrun.replace(Some(Rc::new(exit)));
        self.forked_at.set(None);
        self.thread.set(Some(thread::current().id()));
        self.host.replace(Some(host));
        self.arm_for_next(false);
        Ok(())
    }

    /// Detaches the driver from Qt. No turn begins after this, and queued jobs stay queued. If it
    /// is called on another thread than that of `attach`, that thread destroys the host later.
    pub fn detach(&self) {
        self.forget_batch_end(); // the turn that is running must ask again
        let host = self.host.take();
        self.exit_unrun.take();
        self.armed.set(false);
        self.resting.set(false);
        drop(host);
    }

    /// Gives a forked child its own poller; see [`Reactor::after_fork`]. Until the child calls
    /// `attach` or `begin_run`, no turn begins inside the job that forked. If the fork was outside
    /// of any job, no turn begins at all.
    ///
    /// # Errors
    /// The operating system has no descriptor left, or [`Host::redirect`] has failed.
    pub fn after_fork(&self) -> io::Result<()> {
        let mut reactor = self.reactor.borrow_mut();
        reactor.after_fork()?;
        self.forked_at.set(Some(self.depth.get()));
        if let Some(host) = &mut *self.host.borrow_mut() {
            match host.redirect(reactor.descriptor()) {
                // Another thread has forked while that of the loop waited, which the child lacks.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && !self.is_here() => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Returns whether the driver is attached to Qt.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.host.borrow().is_some()
    }

    /// Requests a turn 20 ms from now, for jobs that cannot run yet. Call it after the turn.
    pub fn retry_soon(&self) {
        if self.is_here() && !self.armed.get() {
            self.arm_in(RETRY);
        }
    }

    /// Returns the number of nested turns: 0 outside of any turn, 2 or more in a turn inside a job,
    /// such as one that a modal dialog's loop calls.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth.get()
    }

    /// Sets the time budget of a turn. When it is spent, the remaining jobs wait for the next turn,
    /// except one of each lower priority; a running job is never interrupted. With zero, each turn
    /// runs one whole batch, however long. The default is 2 ms.
    pub fn set_budget(&self, budget: Duration) {
        self.budget.set(budget);
    }

    /// Returns the time budget of a turn.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.budget.get()
    }

    /// Sets how long a turn may linger at a time for events of descriptors and other threads. A
    /// turn lingers only if the last event came within that time after the jobs of the event before
    /// it. With events that are further apart, each linger would bring nothing and cost a second
    /// wake-up. Zero disables lingering. The default is 0.1 ms.
    pub fn set_linger(&self, linger: Duration) {
        self.linger.set(linger);
    }

    /// Returns the maximum time of a [`Linger`](crate::reactor::Linger).
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.linger.get()
    }

    /// Sets after how many batches a busy turn polls descriptors and other threads, if none had an
    /// event in this turn; otherwise every second batch polls. It polls after 50 µs in any case.
    /// The default is 256. The Python API needs fewer: its programs yield a few times (such as by
    /// `asyncio.sleep(0)`) and then expect that pending events were delivered.
    pub fn set_poll_batches(&self, batches: u32) {
        self.poll_batches.set(batches);
    }

    #[inline]
    fn arm_now(&self) {
        if !self.armed.get() {
            self.arm();
        }
    }

    fn arm(&self) {
        let Some(host) = &*self.host.borrow() else {
            return;
        };
        if self.is_here() {
            host.arm_now();
            self.armed.set(true);
            self.resting.set(false);
        } else {
            self.reactor.borrow().ring();
        }
    }

    /// Returns whether this is the thread of the last [`attach`](Driver::attach).
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.thread.get() == Some(thread::current().id())
    }

    /// Returns whether the driver is attached to another thread than this one.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.is_attached() && !self.is_here()
    }

    /// Sets the host's timer to a short delay.
    fn arm_in(&self, delay: Duration) {
        if let Some(host) = &*self.host.borrow() {
            self.armed.set(false);
            self.resting.set(true);
            host.arm(Some(delay));
        }
    }

    /// Arms the host, or sets the timerfd, for the next turn. With `rests`, ready jobs wait for
    /// [`REST`].
    fn arm_for_next(&self, rests: bool) {
        let host = self.host.borrow();
        let Some(host) = &*host else { return };
        let deadline = self.reactor.borrow_mut().next_deadline();
        let is_virtual = self.virtual_time.get().is_some();
        let now = if deadline.is_some() || is_virtual {
            Time::now()
        } else {
            Time::NEVER
        };
        let wait = self.wait_for_timers(now, deadline);
        let mut reactor = self.reactor.borrow_mut();
        let is_stopping = self.stops_now() && self.is_run() && !self.has_exited();
        if reactor.ready() > 0 || is_stopping || wait == Some(Duration::ZERO) {
            if rests && !is_stopping {
                self.arm_in(REST);
                return;
            }
            // Arm it again even if it is armed since before the turn. Qt fires its timers in the
            // order of their times, so Qt's own timers that became due during the turn fire first.
            self.armed.set(true);
            self.resting.set(false);
            host.arm_now();
            return;
        }
        if !is_virtual && reactor.arm_timer_fd(now) {
            drop(reactor);
            self.disarm();
        } else {
            self.armed.set(false);
            self.resting.set(false);
            host.arm(wait);
        }
    }

    fn disarm(&self) {
        let was_armed = self.armed.replace(false);
        if (self.resting.replace(false) || was_armed)
            && let Some(host) = &*self.host.borrow()
        {
            host.arm(None);
        }
    }
}

impl<J> fmt::Debug for Driver<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Driver")
            .field("depth", &self.depth.get())
            .field("armed", &self.armed.get())
            .field("stop", &self.stop.get())
            .field("phase", &self.phase.get())
            .finish_non_exhaustive()
    }
}
