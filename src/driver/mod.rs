//! The trunk: a [`Host`] and a [`Reactor`] make *turns*, and a face runs the jobs of a turn.
//!
//! Qt calls the host because a descriptor is readable, the alarm has rung, or a job was queued while idle. The driver then
//! tells the face by a [`Wakeup`]: the face opens its scope once (Python: takes the GIL), asks for a [`Turn`], an iterator
//! over jobs, runs and drops the jobs one by one, and drops the turn, all inside the scope. Within the turn, *batches* follow each other without a trip through
//! Qt until nothing is ready or the time [budget](Driver::set_budget) is spent; a batch is what was ready when it began,
//! and between two batches the reactor collects what has become due. After a batch in which descriptors were ready, a face
//! may [linger](Turn::linger) for the next request before the thread goes back to Qt.
//!
//! A job may run a Qt event loop of its own (a modal dialog). The host is armed before the first job runs, so Qt calls it
//! again from in there, and a turn inside the turn runs the other jobs. All state is in cells that are never borrowed
//! while a job runs.
//!
//! Driver and [`Turn`] are one state machine, and are read in one sitting.

mod turn;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::qt::Host;
use crate::reactor::{Poller, Reactor, Recur, Remote, Side, Time, TimerKey};

pub use turn::{Turn, Wakeup};

/// How long a turn may go on before Qt sees to its own events. Nearly all of the gain of batching is there at a tenth of
/// it, and a frame at 60 Hz has room for it eight times over.
const BUDGET: Duration = Duration::from_millis(2);

/// While jobs are ready and descriptors have been silent, a turn asks the system for more after so many batches, or after
/// [50 µs](turn): a poll costs as much as a dozen jobs, and what it would find can wait as long.
const POLL_BATCHES: u32 = 256;

/// How long a turn waits for the next request of a busy connection. The answer to a request is on its way back for some
/// 20 us on one machine and 100 us on a fast network; nobody sees a window that is late by that.
const LINGER: Duration = Duration::from_micros(100);

/// How many turns may nest at one Qt loop level. A callback that calls `processEvents()` nests one turn per call. A nested
/// `exec()`, such as that of a modal dialog, raises the level and starts a new count.
const MAX_NESTED_AT_LEVEL: usize = 16;

/// How soon a turn that [rests](Turn::rest_if_spinning) or waits for a [retry](Driver::retry_soon) is followed by the next one.
const REST: Duration = Duration::from_millis(1);
const RETRY: Duration = Duration::from_millis(20);

/// The Qt loop level of a turn, and how many turns nest at it, this one included.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    level: i32,
    nested: usize,
}

/// A loop without a front end. Jobs can be queued at any time; they run while the driver is attached to Qt.
///
/// Qt serves an attached driver whenever it processes events on the driver's thread. A *run*
/// ([`begin_run`](Driver::begin_run)) adds an end: [`stop`](Driver::stop) exits the Qt loop of the
/// run, and no outermost turn begins after the application's quit.
pub struct Driver<J> {
    reactor: RefCell<Reactor<J>>,
    host: RefCell<Option<Host>>,
    /// Exits the Qt loop of the current run; called at the end of the turn that finds `stopping`.
    exit_run: RefCell<Option<Rc<dyn Fn()>>>,
    /// The same while there is no run. Returns false if no Qt loop can be exited.
    exit_unrun: RefCell<Option<Rc<dyn Fn() -> bool>>>,
    /// The number of times that the application had emitted `aboutToQuit` when the run began.
    quits_before: Cell<u32>,
    /// See [`set_paused`](Driver::set_paused).
    paused: Cell<bool>,
    budget: Cell<Duration>,
    linger: Cell<Duration>,
    poll_batches: Cell<u32>,
    /// How many turns are under way, one inside the other.
    depth: Cell<usize>,
    /// The level of the innermost of them.
    level: Cell<Level>,
    /// How many jobs were handed out, ever. A batch ends at a number: a turn inside of a turn takes from the same batch.
    popped: Cell<u64>,
    /// The number of the last job that was queued when the last outermost turn ended.
    last_queued: Cell<u64>,
    /// Where the batch ends that a turn has left in its middle, because its time was up.
    rest: Cell<u64>,
    /// The host comes again as soon as Qt has had its turn.
    armed: Cell<bool>,
    /// The host's timer is set for a [`REST`] or a [`RETRY`].
    resting: Cell<bool>,
    /// A stop was requested.
    stopping: Cell<bool>,
    /// It waits for the next run, because there was no Qt loop to exit.
    stop_waits: Cell<bool>,
    /// `exit_run` was called: no more outermost turns in this run.
    exited: Cell<bool>,
    /// How many Qt loops of [`hold`](Driver::hold) are under way.
    held: Cell<usize>,
    error: RefCell<Option<io::Error>>,
    /// In a forked child, the depth of turns at the fork; no deeper turns begin. See `after_fork`.
    forked_at: Cell<Option<usize>>,
    /// Whose host it is. Rust keeps a driver on its thread, but the Python API orders its calls by a lock, and a
    /// mistaken call from another thread must not touch Qt.
    thread: Cell<Option<ThreadId>>,
}

impl<J: Recur + 'static> Driver<J> {
    /// A driver that is not attached yet. Without `alarm`, or where the platform has none, timers go by a precise
    /// `QTimer`, late by up to a millisecond.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn new(alarm: bool) -> io::Result<Rc<Driver<J>>> {
        Ok(Rc::new(Driver {
            reactor: RefCell::new(Reactor::new(alarm)?),
            host: RefCell::new(None),
            exit_run: RefCell::new(None),
            exit_unrun: RefCell::new(None),
            quits_before: Cell::new(0),
            paused: Cell::new(false),
            budget: Cell::new(BUDGET),
            linger: Cell::new(LINGER),
            poll_batches: Cell::new(POLL_BATCHES),
            depth: Cell::new(0),
            level: Cell::default(),
            popped: Cell::new(0),
            last_queued: Cell::new(0),
            rest: Cell::new(0),
            armed: Cell::new(false),
            resting: Cell::new(false),
            stopping: Cell::new(false),
            stop_waits: Cell::new(false),
            exited: Cell::new(false),
            held: Cell::new(0),
            error: RefCell::new(None),
            forked_at: Cell::new(None),
            thread: Cell::new(None),
        }))
    }

    /// Attaches the driver to this thread's Qt event loop, until [`detach`](Driver::detach). Qt wakes `front_end` for turns
    /// whenever it processes events on this thread.
    ///
    /// After a [`stop`](Driver::stop) outside of a run, `exit` is called at the end of the next turn.
    /// It exits the Qt loop that serves the driver. If it returns false, the stop ends the next run
    /// after its first batch.
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
        self.settle(false);
        Ok(())
    }

    /// Detaches the driver from Qt. No turn begins after this, and queued jobs stay queued. If it is
    /// called on another thread than that of `attach`, that thread destroys the host later.
    pub fn detach(&self) {
        let host = self.host.take();
        self.exit_unrun.take();
        self.armed.set(false);
        self.resting.set(false);
        drop(host);
    }

    /// Begins a run: `exit` exits the Qt loop that the caller is about to enter, and is called at the
    /// end of the turn that finds a [`stop`](Driver::stop). The application's `aboutToQuit` ends the
    /// run too: the batch under way is then the last, and jobs that the quit has made ready stay
    /// queued. The driver must be attached, on this thread.
    pub fn begin_run(&self, exit: impl Fn() + 'static) {
        let quits = self.host.borrow().as_ref().map_or(0, Host::quits);
        self.quits_before.set(quits);
        self.exit_run.replace(Some(Rc::new(exit)));
        self.exited.set(false);
        self.paused.set(false);
        self.stop_waits.set(false);
        self.forked_at.set(None);
        // The first turn comes in any case: a stop may have been requested before the run.
        self.arm();
    }

    /// Ends the run, after its Qt loop has returned. Clears a stop that has not had its effect.
    pub fn end_run(&self) {
        let exit = self.exit_run.take();
        self.stopping.set(false);
        self.stop_waits.set(false);
        self.paused.set(false);
        drop(exit);
        if self.is_here() {
            self.settle(false);
        }
    }

    /// Whether a run has begun and not ended.
    #[must_use]
    pub fn is_run(&self) -> bool {
        self.exit_run.borrow().is_some()
    }

    /// Pauses or resumes the outermost turns of a run, for a Qt loop that is probably about to quit.
    /// Nested turns are not paused.
    pub fn set_paused(&self, paused: bool) {
        self.paused.set(paused);
        if !paused && self.is_here() {
            self.settle(false);
        }
    }

    /// Gives a forked child its own poller; see [`Reactor::after_fork`]. Until the child calls
    /// `attach` or `begin_run`, no turns begin inside the job that forked, or none at all if it was
    /// no job.
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

    /// Whether the driver is attached to Qt.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.host.borrow().is_some()
    }

    /// Whether `stop`, and not Qt, ended the Qt loop of this run or, outside of a run, of the last one.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.exited.get()
    }

    /// Requests a turn 20 ms from now, for jobs that cannot run yet. Call it after the turn.
    pub fn retry_soon(&self) {
        if self.is_here() && !self.armed.get() {
            self.arm_in(RETRY);
        }
    }

    /// Runs `wait`, a nested event loop that only a job can exit. Turns run in it even if the Qt loop
    /// of the run is ending.
    pub fn hold<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.held.set(self.held.get() + 1);
        self.arm_now();
        let result = wait();
        self.held.set(self.held.get() - 1);
        result
    }

    /// How deep turns are nested at this moment: 0 outside of any, 2 and more inside of a modal dialog.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth.get()
    }

    /// Sets how long a turn may last, if none of its jobs takes longer: the rest of a batch waits for the next turn. Zero is one whole batch a turn, however long.
    /// The default is 2 ms.
    pub fn set_budget(&self, budget: Duration) {
        self.budget.set(budget);
    }

    /// The present budget of a turn.
    #[must_use]
    pub fn budget(&self) -> Duration {
        self.budget.get()
    }

    /// Sets how long a turn may wait for more of what descriptors and other threads had for it. The default is 0.1 ms; zero is never.
    pub fn set_linger(&self, linger: Duration) {
        self.linger.set(linger);
    }

    /// The present length of [`Linger`](crate::qt::Linger).
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.linger.get()
    }

    /// Sets after how many batches without a poll a busy turn asks descriptors and other threads for more; it does so after 50 µs in any
    /// case. The default is 256. A face whose programs give way a few times, and then expect what was on its way to have come, needs fewer.
    pub fn set_poll_batches(&self, batches: u32) {
        self.poll_batches.set(batches);
    }

    /// Sets how late timers may be where they come in crowds: they are served together. The default is 250 µs.
    pub fn set_crowd_slack(&self, slack: Duration) {
        self.reactor.borrow_mut().set_crowd_slack(slack);
    }

    /// Queues a job, from this thread.
    #[inline(always)] // or the job would be put together in memory, and read back in larger pieces, which stalls
    pub fn push(&self, job: J) {
        self.reactor.borrow_mut().push(job);
        self.arm_now();
    }

    /// Puts back a job that had to wait, to be the next.
    pub fn push_front(&self, job: J) {
        self.reactor.borrow_mut().push_front(job);
        self.arm_now();
    }

    /// Queues a job for a moment. See [`Reactor::push_at`].
    pub fn push_at(&self, when: Time, job: J) -> TimerKey {
        let mut reactor = self.reactor.borrow_mut();
        let earliest = reactor.next_deadline();
        let key = reactor.push_at(when, job);
        let is_earliest = earliest.is_none_or(|earliest| when < earliest);
        drop(reactor);
        // The end of a turn sets the alarm for all that the turn did. Outside of a turn, a later deadline than the one
        // that is set needs nothing.
        if is_earliest && !self.armed.get() {
            if self.is_here() {
                self.settle(false);
            } else {
                self.arm_now()
            }
        }
        key
    }

    /// Gives the job of a timer back. See [`Reactor::cancel`].
    pub fn cancel(&self, key: TimerKey) -> Option<J> {
        self.reactor.borrow_mut().cancel(key)
    }

    /// Queues a job whenever a descriptor is ready. See [`Reactor::watch`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch(&self, fd: RawFd, side: Side, job: J) -> io::Result<[Option<J>; 2]> {
        self.reactor.borrow_mut().watch(fd, side, job)
    }

    /// Queues a job whenever something has happened to a descriptor. See [`Reactor::watch_edges`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch_edges(&self, fd: RawFd, side: Side, job: J) -> io::Result<[Option<J>; 2]> {
        self.reactor.borrow_mut().watch_edges(fd, side, job)
    }

    /// Queues a job when a descriptor is ready for the first time. See [`Reactor::watch_once`].
    ///
    /// # Errors
    /// As [`Reactor::watch`].
    pub fn watch_once(&self, fd: RawFd, side: Side, job: J) -> io::Result<[Option<J>; 2]> {
        self.reactor.borrow_mut().watch_once(fd, side, job)
    }

    /// Ends a watch. See [`Reactor::unwatch`].
    pub fn unwatch(&self, fd: RawFd, side: Side, is_mine: impl FnOnce(&J) -> bool) -> Option<J> {
        self.reactor.borrow_mut().unwatch(fd, side, is_mine)
    }

    /// After the poller has forgotten a descriptor. See [`Reactor::restore`].
    pub fn restore(&self, fd: RawFd) {
        self.reactor.borrow_mut().restore(fd);
    }

    /// Whether there is a watch. See [`Reactor::is_watched`].
    #[must_use]
    pub fn is_watched(&self, fd: RawFd, side: Side) -> bool {
        self.reactor.borrow().is_watched(fd, side)
    }

    /// Whether the other end of a descriptor has gone. See [`Reactor::is_hung_up`].
    #[must_use]
    pub fn is_hung_up(&self, fd: RawFd) -> bool {
        self.reactor.borrow().is_hung_up(fd)
    }

    /// The job of a watch has run. See [`Reactor::rearm`].
    pub fn rearm(&self, fd: RawFd, side: Side, is_mine: impl FnOnce(&J) -> bool) {
        self.reactor.borrow_mut().rearm(fd, side, is_mine);
    }

    /// The way in from other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<J> {
        self.reactor.borrow().remote()
    }

    /// The poller, for other threads.
    ///
    /// # Errors
    /// The operating system has no descriptor left.
    pub fn poller(&self) -> io::Result<Poller> {
        self.reactor.borrow().poller()
    }

    /// Exits the Qt loop of the run after the batch under way, or after one more batch. Outside of a
    /// run, calls the `exit` of [`attach`](Driver::attach) instead.
    pub fn stop(&self) {
        self.stopping.set(true);
        self.stop_waits.set(false);
        self.arm_now();
    }

    /// Ends the next run after its first batch. No effect on any other Qt loop.
    pub fn stop_next_run(&self) {
        self.stopping.set(true);
        self.stop_waits.set(true);
    }

    /// Whether the batch under way is the last.
    fn stops_now(&self) -> bool {
        self.stopping.get() && !self.stop_waits.get()
    }

    /// How many jobs were queued since the last outermost turn, that is, by calls from Qt.
    #[must_use]
    pub fn queued_since_turn(&self) -> u64 {
        self.end_of_ready().saturating_sub(self.last_queued.get())
    }

    /// Whether [`stop`](Driver::stop) was called and has not had its effect yet.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Takes back a [`stop`](Driver::stop) that has not had its effect yet.
    pub fn unstop(&self) {
        self.stopping.set(false);
    }

    /// Takes out all jobs that wait, for whatever they wait; from here on those of other threads are handed back. For the end: to drop them is
    /// foreign code, which may panic.
    pub fn drain(&self) -> Vec<J> {
        self.reactor.borrow_mut().drain()
    }

    /// A turn of one batch, without Qt and without collecting: what is ready now.
    pub fn batch(self: &Rc<Self>) -> Turn<J> {
        Turn::of_one_batch(Rc::clone(self))
    }

    /// Looks at all jobs that are held. `visit` must not use the driver. Returns false, without looking, if the driver is
    /// in use further out.
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

    /// What the poller has failed by, once: somebody has closed its descriptor. Timers and the queue still work, but
    /// nothing else wakes the loop any more.
    pub fn take_error(&self) -> Option<io::Error> {
        self.error.take()
    }

    /// The number at which a batch that begins now will end.
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

    /// Whether this is the thread of the last [`attach`](Driver::attach).
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

    /// Arms the host, or the alarm, for the next turn. With `rests`, ready jobs wait for [`REST`].
    fn settle(&self, rests: bool) {
        let host = self.host.borrow();
        let Some(host) = &*host else { return };
        let mut reactor = self.reactor.borrow_mut();
        let deadline = reactor.next_deadline();
        let now = if deadline.is_some() {
            Time::now()
        } else {
            Time::NEVER
        };
        let is_stopping = self.stops_now() && self.is_run() && !self.exited.get();
        if reactor.ready() > 0 || is_stopping || deadline.is_some_and(|when| when <= now) {
            if rests && !is_stopping {
                self.arm_in(REST);
                return;
            }
            // Also if it is armed: since before the turn, and Qt fires its timers in the order of their times. What has
            // come due of Qt's own during the turn comes first.
            self.armed.set(true);
            self.resting.set(false);
            host.arm_now();
            return;
        }
        if reactor.set_alarm(now) {
            drop(reactor);
            self.disarm();
        } else {
            self.armed.set(false);
            self.resting.set(false);
            host.arm(deadline.and_then(|when| when.after(now)));
        }
    }

    /// Whether no turn, and no batch of a turn, may begin at this depth. Either the Qt loop of the run
    /// is ending, or the process is a forked child and the depth is inside the job that forked.
    fn is_over(&self, depth: usize) -> bool {
        let saw_quit = || {
            let quits = self.host.borrow().as_ref().map_or(0, Host::quits);
            quits != self.quits_before.get()
        };
        let run_is_over =
            || self.is_run() && (self.exited.get() || self.paused.get() || saw_quit());
        self.forked_at
            .get()
            .is_some_and(|forked_at| depth > forked_at)
            || (depth == 1 && self.held.get() == 0 && run_is_over())
    }

    /// Whether the innermost turn must not begin. See [`MAX_NESTED_AT_LEVEL`].
    fn refuses(&self) -> bool {
        self.level.get().nested > MAX_NESTED_AT_LEVEL || self.is_over(self.depth.get())
    }

    /// A turn has ended.
    fn finish(&self, rests: bool) {
        if self.stops_now() && self.is_attached() {
            if self.is_run() {
                if !self.exited.replace(true) {
                    self.stopping.set(false);
                    let exit = self.exit_run.borrow().clone();
                    if let Some(exit) = exit {
                        exit();
                    }
                }
            } else {
                let exit = self.exit_unrun.borrow().clone();
                if exit.is_some_and(|exit| exit()) {
                    self.stopping.set(false);
                } else {
                    self.stop_waits.set(true);
                }
            }
        }
        if self.is_over(self.depth.get() + 1) {
            self.disarm();
        } else {
            // Also if the run was exited: only a turn may be able to exit a Qt loop that a job runs.
            self.settle(rests);
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
            .field("stopping", &self.stopping.get())
            .field("exited", &self.exited.get())
            .finish_non_exhaustive()
    }
}
