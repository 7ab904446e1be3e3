//! The driver joins a [`Host`] to a [`Reactor`]: calls from Qt become *turns* that run queued jobs.
//!
//! Qt calls the host when a file descriptor is readable, when the timerfd has fired, or when a job
//! was queued while the loop was idle. The driver then calls the front end with a [`Wakeup`]. The
//! front end enters its scope once (for Python: acquires the GIL) and asks for a [`Turn`], an
//! iterator over jobs. It runs and drops the jobs one by one, and drops the turn inside the scope.
//!
//! A turn runs *batches* without returning to Qt, until no job is ready or the time
//! [budget](Driver::set_budget) is spent. A batch is the jobs that were ready when it began.
//! Between two batches the reactor collects the jobs that have become due. After a batch in which
//! descriptors were ready, a front end may [linger](Turn::linger) for the next request before it
//! returns to Qt.
//!
//! A job may run a nested Qt event loop (a modal dialog). The host is armed before the first job
//! runs, so Qt calls it again in the nested loop, and a nested turn runs the other jobs. All state
//! is in cells that are never borrowed while a job runs.
//!
//! `Driver` and [`Turn`] form one state machine; read both files together.

mod turn;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::qt::Host;
use crate::reactor::{Direction, Poller, Reactor, Remote, Repeat, Time, TimerKey};

pub use turn::{Turn, Wakeup};

/// The default time budget of a turn. A tenth of it has nearly all of the gain of batching, and a
/// frame at 60 Hz has room for eight such turns.
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

/// The Qt loop level of a turn, and the number of turns nested at it, this one included.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    level: i32,
    nested: usize,
}

/// How far the Qt loop of a run has come to its end. Outermost turns run in the first phase only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// See [`Driver::set_paused`].
    Paused,
    /// `exit_run` was called for a stop.
    Exited,
    /// The application has emitted `aboutToQuit`.
    ApplicationQuit,
}

/// A stop that was requested and has not had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    None,
    /// The batch under way is the last.
    Now,
    /// There was no Qt loop to exit: the next run ends after its first batch.
    NextRun,
}

/// A loop without a front end. Jobs can be queued at any time; they run while the driver is
/// attached to Qt.
///
/// Qt calls an attached driver whenever it processes events on the driver's thread. A *run*
/// ([`begin_run`](Driver::begin_run)) adds an end: [`stop`](Driver::stop) exits the Qt loop of the
/// run, and no outermost turn begins after the application's quit.
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
    poll_batches: Cell<u32>,
    /// The number of turns that are running, nested in one another.
    depth: Cell<usize>,
    /// The level of the innermost turn.
    level: Cell<Level>,
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
    error: RefCell<Option<io::Error>>,
    /// In a forked child, the depth of turns at the fork; no deeper turns begin. See `after_fork`.
    forked_at: Cell<Option<usize>>,
    /// The thread of the host. Rust keeps a driver on its thread, but the Python front end orders
    /// calls by the GIL, and a mistaken call from another thread must not touch Qt.
    thread: Cell<Option<ThreadId>>,
}

impl<J: Repeat + 'static> Driver<J> {
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
            poll_batches: Cell::new(POLL_BATCHES),
            depth: Cell::new(0),
            level: Cell::default(),
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
        }))
    }

    /// Attaches the driver to this thread's Qt event loop until [`detach`](Driver::detach). Qt
    /// calls `front_end` for a turn whenever it processes events on this thread.
    ///
    /// After a [`stop`](Driver::stop) outside of a run, `exit` is called at the end of the next
    /// turn. It exits the Qt loop that serves the driver. If it returns false, the stop ends the
    /// next run after its first batch.
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
        let host = self.host.take();
        self.exit_unrun.take();
        self.armed.set(false);
        self.resting.set(false);
        drop(host);
    }

    /// Begins a run: `exit` exits the Qt loop that the caller is about to enter, and is called at
    /// the end of the turn that finds a [`stop`](Driver::stop). The application's `aboutToQuit`
    /// ends the run too: the batch under way is then the last, and jobs that the quit has made
    /// ready stay queued. The driver must be attached, on this thread.
    pub fn begin_run(&self, exit: impl Fn() + 'static) {
        let quits = self.host.borrow().as_ref().map_or(0, Host::quits);
        self.quits_before.set(quits);
        self.exit_run.replace(Some(Rc::new(exit)));
        self.phase.set(Phase::Running);
        if self.stop.get() == Stop::NextRun {
            self.stop.set(Stop::Now);
        }
        self.forked_at.set(None);
        // Always arm for the first turn: `stop` may have been called before the run.
        self.arm();
    }

    /// Ends the run, after its Qt loop has returned. Clears a stop that has not had its effect.
    pub fn end_run(&self) {
        let exit = self.exit_run.take();
        self.stop.set(Stop::None);
        if self.phase.get() == Phase::Paused {
            self.phase.set(Phase::Running);
        }
        drop(exit);
        if self.is_here() {
            self.arm_for_next(false);
        }
    }

    /// Returns whether a run has begun and not ended.
    #[must_use]
    pub fn is_run(&self) -> bool {
        self.exit_run.borrow().is_some()
    }

    /// Pauses or resumes the outermost turns of a run, for a Qt loop that is probably about to
    /// quit. Nested turns are not paused.
    pub fn set_paused(&self, paused: bool) {
        match (paused, self.phase.get()) {
            (true, Phase::Running) => self.phase.set(Phase::Paused),
            (false, Phase::Paused) => self.phase.set(Phase::Running),
            _ => {}
        }
        if !paused && self.is_here() {
            self.arm_for_next(false);
        }
    }

    /// Gives a forked child its own poller; see [`Reactor::after_fork`]. Until the child calls
    /// `attach` or `begin_run`, no turn begins inside the job that forked. If the fork was outside
    /// of any job, no turn begins at all.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn after_fork(&self) -> io::Result<()> {
        let mut reactor = self.reactor.borrow_mut();
        reactor.after_fork()?;
        self.forked_at.set(Some(self.depth.get()));
        if let Some(host) = &mut *self.host.borrow_mut() {
            host.redirect(reactor.descriptor())?;
        }
        Ok(())
    }

    /// Returns whether the driver is attached to Qt.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.host.borrow().is_some()
    }

    /// Returns whether `stop`, and not Qt, ended the Qt loop of this run or, outside of a run, of
    /// the last one.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.phase.get() == Phase::Exited
    }

    /// Requests a turn 20 ms from now, for jobs that cannot run yet. Call it after the turn.
    pub fn retry_soon(&self) {
        if self.is_here() && !self.armed.get() {
            self.arm_in(RETRY);
        }
    }

    /// Runs `wait`, a nested event loop that only a job can exit. Turns run in it even if the Qt
    /// loop of the run is ending.
    pub fn in_nested_wait<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.nested_waits.set(self.nested_waits.get() + 1);
        self.arm_now();
        let result = wait();
        self.nested_waits.set(self.nested_waits.get() - 1);
        result
    }

    /// Returns the number of nested turns: 0 outside of any turn, 2 or more in a modal dialog that
    /// a job opened.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth.get()
    }

    /// Sets the time budget of a turn. When it is spent, the rest of the batch waits for the next
    /// turn; a running job is never interrupted. With zero, each turn runs one whole batch, however
    /// long. The default is 2 ms.
    pub fn set_budget(&self, budget: Duration) {
        self.budget.set(budget);
    }

    /// Returns the time budget of a turn.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.budget.get()
    }

    /// Sets how long a turn may linger for events of descriptors and other threads. Zero disables
    /// lingering. The default is 0.1 ms.
    pub fn set_linger(&self, linger: Duration) {
        self.linger.set(linger);
    }

    /// Returns the maximum time of a [`Linger`](crate::qt::Linger).
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.linger.get()
    }

    /// Sets after how many batches a busy turn polls descriptors and other threads; it polls after
    /// 50 µs in any case. The default is 256. The Python API needs fewer: its programs yield a few
    /// times (such as by `asyncio.sleep(0)`) and then expect that pending events were delivered.
    pub fn set_poll_batches(&self, batches: u32) {
        self.poll_batches.set(batches);
    }

    /// Sets by how much timers may be late when many are due at nearly the same time, so that one
    /// wake-up serves them together. The default is 250 µs.
    pub fn set_timer_slack(&self, slack: Duration) {
        self.reactor.borrow_mut().set_timer_slack(slack);
    }

    /// Queues a job, from this thread.
    #[inline(always)] // otherwise the job is built in memory and read back in pieces, which stalls
    pub fn push(&self, job: J) {
        self.reactor.borrow_mut().push(job);
        self.arm_now();
    }

    /// Puts a job that could not run yet back to the front of the queue.
    pub fn push_front(&self, job: J) {
        self.reactor.borrow_mut().push_front(job);
        self.arm_now();
    }

    /// Queues a job for a deadline. See [`Reactor::push_at`].
    pub fn push_at(&self, when: Time, job: J) -> TimerKey {
        let mut reactor = self.reactor.borrow_mut();
        let earliest = reactor.next_deadline();
        let key = reactor.push_at(when, job);
        let is_earliest = earliest.is_none_or(|earliest| when < earliest);
        drop(reactor);
        // The end of a turn sets the timerfd for all timers of the turn. Outside of a turn, a timer
        // that is not the earliest needs no change of the timerfd.
        if is_earliest && !self.armed.get() {
            if self.is_here() {
                self.arm_for_next(false);
            } else {
                self.arm_now()
            }
        }
        key
    }

    /// Removes a timer and returns its job. See [`Reactor::cancel`].
    pub fn cancel(&self, key: TimerKey) -> Option<J> {
        self.reactor.borrow_mut().cancel(key)
    }

    /// Queues a job whenever a descriptor is ready. See [`Reactor::watch`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch(&self, fd: RawFd, direction: Direction, job: J) -> io::Result<[Option<J>; 2]> {
        self.reactor.borrow_mut().watch(fd, direction, job)
    }

    /// Queues a job whenever something has happened to a descriptor. See [`Reactor::watch_edges`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch_edges(
        &self,
        fd: RawFd,
        direction: Direction,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        self.reactor.borrow_mut().watch_edges(fd, direction, job)
    }

    /// Queues a job when a descriptor is ready for the first time. See [`Reactor::watch_once`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch_once(
        &self,
        fd: RawFd,
        direction: Direction,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        self.reactor.borrow_mut().watch_once(fd, direction, job)
    }

    /// Ends a watch. See [`Reactor::unwatch`].
    pub fn unwatch(
        &self,
        fd: RawFd,
        direction: Direction,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        self.reactor.borrow_mut().unwatch(fd, direction, is_mine)
    }

    /// Registers a descriptor again that a [`Poller`] has deregistered. See [`Reactor::restore`].
    pub fn restore(&self, fd: RawFd) {
        self.reactor.borrow_mut().restore(fd);
    }

    /// Returns whether a direction of a descriptor is watched. See [`Reactor::is_watched`].
    #[must_use]
    pub fn is_watched(&self, fd: RawFd, direction: Direction) -> bool {
        self.reactor.borrow().is_watched(fd, direction)
    }

    /// Returns whether a descriptor has reported a hang-up. See [`Reactor::is_hung_up`].
    #[must_use]
    pub fn is_hung_up(&self, fd: RawFd) -> bool {
        self.reactor.borrow().is_hung_up(fd)
    }

    /// Re-arms a watch after its job has run. See [`Reactor::rearm`].
    pub fn rearm(&self, fd: RawFd, direction: Direction, is_mine: impl FnOnce(&J) -> bool) {
        self.reactor.borrow_mut().rearm(fd, direction, is_mine);
    }

    /// Returns a handle that queues jobs from other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<J> {
        self.reactor.borrow().remote()
    }

    /// Returns a handle to the poller for other threads.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn poller(&self) -> io::Result<Poller> {
        self.reactor.borrow().poller()
    }

    /// Exits the Qt loop of the run after the batch that is running, or after one more batch.
    /// Outside of a run, calls the `exit` of [`attach`](Driver::attach) instead.
    pub fn stop(&self) {
        self.stop.set(Stop::Now);
        self.arm_now();
    }

    /// Ends the next run after its first batch. No effect on any other Qt loop.
    pub fn stop_next_run(&self) {
        self.stop.set(Stop::NextRun);
    }

    /// Returns whether the batch that is running is the last.
    fn stops_now(&self) -> bool {
        self.stop.get() == Stop::Now
    }

    /// Returns the number of jobs that were queued since the last outermost turn, that is, by calls
    /// from Qt.
    #[must_use]
    pub fn queued_since_turn(&self) -> u64 {
        self.end_of_ready().saturating_sub(self.last_queued.get())
    }

    /// Returns whether [`stop`](Driver::stop) was called and has not had its effect yet.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.get() != Stop::None
    }

    /// Takes back a [`stop`](Driver::stop) that has not had its effect yet.
    pub fn cancel_stop(&self) {
        self.stop.set(Stop::None);
    }

    /// Removes and returns all jobs: ready, timed and watching. From now on, jobs that other
    /// threads send are handed back to them. The caller drops the jobs when it closes the loop:
    /// their destructors are user code, which may panic.
    pub fn drain(&self) -> Vec<J> {
        self.reactor.borrow_mut().drain()
    }

    /// Returns a turn of one batch, the jobs that are ready now, without Qt and without collecting.
    pub fn batch(self: &Rc<Self>) -> Turn<J> {
        Turn::of_one_batch(Rc::clone(self))
    }

    /// Calls `visit` for every job. `visit` must not use the driver. Returns false, without calling
    /// it, if the reactor is borrowed by a caller up the stack.
    pub fn visit(&self, mut visit: impl FnMut(&J)) -> bool {
        self.reactor.try_borrow().is_ok_and(|reactor| {
            reactor.jobs().for_each(&mut visit);
            true
        })
    }

    fn collect(&self, now: Time) {
        if let Err(error) = self.reactor.borrow_mut().collect(now) {
            self.error.replace(Some(error));
        }
    }

    /// Takes the error of the last failed poll; it means that the poller's descriptor was closed.
    /// Timers and the queue still work, but nothing else wakes the loop any more.
    pub fn take_error(&self) -> Option<io::Error> {
        self.error.take()
    }

    /// Returns the number at which a batch that begins now ends.
    fn end_of_ready(&self) -> u64 {
        self.popped.get() + self.reactor.borrow().ready() as u64
    }

    fn pop(&self) -> Option<J> {
        let job = self.reactor.borrow_mut().pop()?;
        self.popped.set(self.popped.get() + 1);
        Some(job)
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
        let mut reactor = self.reactor.borrow_mut();
        let deadline = reactor.next_deadline();
        let now = if deadline.is_some() {
            Time::now()
        } else {
            Time::NEVER
        };
        let is_stopping = self.stops_now() && self.is_run() && !self.has_exited();
        if reactor.ready() > 0 || is_stopping || deadline.is_some_and(|when| when <= now) {
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
        if reactor.arm_timer_fd(now) {
            drop(reactor);
            self.disarm();
        } else {
            self.armed.set(false);
            self.resting.set(false);
            host.arm(deadline.and_then(|when| when.after(now)));
        }
    }

    /// Returns whether a turn may run at this depth.
    ///
    /// Outermost turns end with the Qt loop of the run. Turns inside a job, or inside a nested wait,
    /// continue: only they can end what the job waits for. In a forked child, no turn runs inside
    /// the job that forked.
    fn may_run(&self, depth: usize) -> bool {
        if self
            .forked_at
            .get()
            .is_some_and(|forked_at| depth > forked_at)
        {
            return false;
        }
        let is_outermost = depth == 1 && self.nested_waits.get() == 0;
        !is_outermost || !self.is_run() || self.phase() == Phase::Running
    }

    /// Returns the phase of the run, after a look at the number of quits. It is counted and not
    /// reported by a call, because `aboutToQuit` is emitted outside the front end's scope, in which
    /// another thread may be using the driver.
    fn phase(&self) -> Phase {
        let has_quit = || {
            let quits = self.host.borrow().as_ref().map_or(0, Host::quits);
            quits != self.quits_before.get()
        };
        if self.phase.get() == Phase::Running && has_quit() {
            self.phase.set(Phase::ApplicationQuit);
        }
        self.phase.get()
    }

    /// Returns whether the innermost turn may begin a batch. See [`MAX_NESTED_AT_LEVEL`].
    fn may_begin_batch(&self) -> bool {
        self.level.get().nested <= MAX_NESTED_AT_LEVEL && self.may_run(self.depth.get())
    }

    /// Exits the Qt loop if a stop was requested, and arms for the next turn; called when a turn
    /// ends.
    fn end_turn(&self, rests: bool) {
        if self.stops_now() && self.is_attached() {
            if self.is_run() {
                if !self.has_exited() {
                    self.phase.set(Phase::Exited);
                    self.stop.set(Stop::None);
                    let exit = self.exit_run.borrow().clone();
                    if let Some(exit) = exit {
                        exit();
                    }
                }
            } else {
                let exit = self.exit_unrun.borrow().clone();
                let has_exited = exit.is_some_and(|exit| exit());
                self.stop.set(if has_exited {
                    Stop::None
                } else {
                    Stop::NextRun
                });
            }
        }
        if self.may_run(self.depth.get() + 1) {
            // Also if the run was exited: a job may run a nested Qt loop that only a job of a later
            // turn exits.
            self.arm_for_next(rests);
        } else {
            self.disarm();
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
