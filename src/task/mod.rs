//! Tasks: futures that run on the thread of a Qt event loop, inside that loop.
//!
//! A [`Loop`] is attached to the Qt event loop of its thread, and tasks run while that loop runs.
//! [`spawn_local`] starts a task, a [`Handle`] starts one from another thread, and a [`JoinHandle`]
//! awaits its result. A task need not be `Send`: it may hold widgets, `Rc`s and `RefCell`s.
//!
//! A task that opens a modal dialog, or runs another Qt event loop, blocks only itself: the other
//! tasks run inside that loop. A turn of tasks lasts at most two milliseconds if no single poll
//! takes longer; then Qt processes its events.

pub(crate) mod application;
mod budget;
mod builder;
mod cell;
mod free_list;
mod handle;
mod job;
mod join;
mod join_error;
mod join_set;
mod nested;
mod observed;
mod observer;
mod readiness;
#[cfg(feature = "record")]
mod recording;
mod span;
mod spawn;
mod state;
mod stats;
mod translator;
mod unblock;
mod unconstrained;
mod virtual_time;
mod waiters;
mod watchdog;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::driver::{Driver, Turn};
use crate::instruments::watchdog::Watchdog;
use crate::panic::catch_panic;
use crate::qt::{NestedLoop, Object, SignalConnection, app};
use crate::reactor::{Direction, Linger, Time};

pub use crate::reactor::Priority;

pub use budget::{consume_budget, poll_proceed};
pub use builder::Builder;
pub use handle::{Handle, LoopClosed, TryCurrentError};
pub use join::{AbortHandle, AbortOnDrop, JoinHandle};
pub use join_error::JoinError;
pub use join_set::JoinSet;
pub use observer::{Id, Observer, ScheduledBy, TaskMeta};
pub use spawn::{block_on, quit, spawn_local, spawn_scoped};
pub use stats::Stats;
pub use unblock::{unblock, yield_if_needed, yield_now};
pub use watchdog::Stall;

pub(crate) use budget::{has_budget, take_budget, take_budget_of_cheap, unbudgeted};
pub(crate) use handle::LoopShared;
pub(crate) use job::Job;
pub(crate) use readiness::{Readiness, Registration};
#[cfg(feature = "record")]
pub use recording::Recording;
pub(crate) use virtual_time::TimeHold;

use builder::{Attributes, Name};
use cell::{TaskRef, Tasks};
use observed::Observed;

thread_local! {
    static CURRENT: RefCell<Weak<LoopCore>> = const { RefCell::new(Weak::new()) };
}

/// Returns the loop of this thread.
pub(crate) fn current() -> Option<Rc<LoopCore>> {
    // The thread-local value may be destroyed already: then there is no loop.
    CURRENT
        .try_with(|current| current.borrow().upgrade())
        .ok()?
}

/// Returns the loop of this thread, for a function that needs one.
///
/// # Panics
/// This thread has no loop.
#[track_caller]
pub(crate) fn expect_current(what: &str) -> Rc<LoopCore> {
    match current() {
        Some(core) => core,
        None => panic!(
            "{what} needs a loop on this thread: `let event_loop = qtloop::Loop::attach()?;` before it, or `with_app()` where there is no Qt \
             application; on another thread than the loop's, `Handle::spawn()` or `Handle::invoke()`"
        ),
    }
}

/// An event loop for tasks, inside this thread's Qt event loop. A thread has at most one.
///
/// Dropping the loop ends all its tasks: it drops their futures, on its thread, before the drop
/// returns.
///
/// ```no_run
/// use std::time::Duration;
///
/// let event_loop = qtloop::Loop::with_app(std::env::args_os())?; // or `attach()`, where a Qt application exists
/// qtloop::spawn_local(async {
///     qtloop::time::sleep(Duration::from_secs(1)).await;
///     println!("a second of Qt");
///     qtloop::quit(0);
/// });
/// event_loop.exec();
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped, it ends all its tasks at once"]
pub struct Loop(Rc<LoopCore>);

/// The shared state of a loop, for its own thread.
pub(crate) struct LoopCore {
    pub(crate) driver: Rc<Driver<Job>>,
    shared: Arc<LoopShared>,
    tasks: Tasks,
    /// The task that the innermost turn has polled last.
    running: Cell<Option<cell::Pointer>>,
    /// The nested event loops of [`Loop::block_on`], by number.
    nested_loops: RefCell<Vec<(u64, Rc<NestedLoop>)>>,
    next_wait: Cell<u64>,
    /// An error of the poller was reported.
    has_failed: Cell<bool>,
    observed: Rc<Observed>,
    watchdog: RefCell<Option<Watchdog>>,
}

const COALESCE_SLACK: std::time::Duration = std::time::Duration::from_micros(100);

impl Loop {
    /// Attaches a loop to the Qt event loop of this thread. Tasks run whenever that event loop
    /// runs: by [`run`](Loop::run), [`exec`](Loop::exec), or in C++. A Qt application must exist:
    /// that of a C++ program, of `cxx-qt`, or of `qmetaobject`.
    ///
    /// ```no_run
    /// // After `QmlEngine::new()`, or in a function that C++ calls.
    /// let event_loop = qtloop::Loop::attach()?;
    /// qtloop::spawn_local(async { println!("inside of its loop") });
    /// # drop(event_loop);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `NotFound`: there is no Qt application. `AlreadyExists`: this thread has a loop. Other
    /// errors: the process has no file descriptors left.
    pub fn attach() -> io::Result<Loop> {
        if !app::exists() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "there is no Qt application: make one before `Loop::attach()`, or use `Loop::with_app(std::env::args_os())` in a program without windows",
            ));
        }
        if current().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "this thread has a loop already: one is enough, `Loop::handle()` shares it",
            ));
        }
        application::watch();
        let by_qtimer = std::env::var_os("QTLOOP_TIMER").is_some_and(|value| value == "qtimer");
        let driver = Driver::new(cfg!(target_os = "linux") && !by_qtimer)?;
        // A task costs less than a Python callback, so fewer of them are worth a wake-up.
        driver.set_timer_slack(COALESCE_SLACK);
        let core = Rc::new(LoopCore {
            shared: LoopShared::new(driver.remote(), driver.poller()?),
            driver,
            tasks: Tasks::default(),
            running: Cell::new(None),
            nested_loops: RefCell::default(),
            next_wait: Cell::new(0),
            has_failed: Cell::new(false),
            observed: Rc::default(),
            watchdog: RefCell::default(),
        });
        let turning = Rc::downgrade(&core);
        core.driver.attach(
            move |wakeup| {
                if let Some(core) = turning.upgrade()
                    && let Some(turn) = wakeup.turn()
                {
                    core.run(turn);
                }
            },
            || true,
        )?;
        CURRENT.with(|current| current.replace(Rc::downgrade(&core)));
        Ok(Loop(core))
    }

    /// Makes a `QCoreApplication` if there is no Qt application, and attaches a loop as
    /// [`attach`](Loop::attach) does.
    ///
    /// The `QCoreApplication` lives as long as the process. Its arguments start with the name of
    /// the program, as `std::env::args_os()` does. It is for programs without windows: Qt has no
    /// second application in a process, so `QmlEngine::new()`, which makes one, must not be called
    /// after this.
    ///
    /// ```no_run
    /// let event_loop = qtloop::Loop::with_app(std::env::args_os())?;
    /// println!("{}", event_loop.block_on(async { 6 * 7 }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `attach`, except `NotFound`.
    pub fn with_app(
        arguments: impl IntoIterator<Item = impl Into<std::ffi::OsString>>,
    ) -> io::Result<Loop> {
        app::ensure(arguments);
        Loop::attach()
    }

    /// Returns a handle by which other threads call closures and start tasks on this loop.
    ///
    /// ```no_run
    /// # let event_loop = qtloop::Loop::attach()?;
    /// let handle = event_loop.handle();
    /// std::thread::spawn(move || handle.invoke(|| println!("on the loop's thread")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.0.shared))
    }

    /// Runs Qt's event loop, and the tasks in it, until [`quit`] is called or Qt quits; returns the
    /// exit code.
    ///
    /// On the main thread this calls `QCoreApplication::exec()`, elsewhere `QThread::exec()`. It
    /// returns -1 at once if the Qt application was destroyed. Inside of another `exec()` Qt prints
    /// a warning, and it returns -1, too: use [`block_on`](Loop::block_on) there.
    ///
    /// The process ends with a message if the application is destroyed inside of its event loop, as
    /// by the drop of a `QmlEngine`.
    ///
    /// ```no_run
    /// let event_loop = qtloop::Loop::with_app(std::env::args_os())?;
    /// qtloop::spawn_local(async { qtloop::quit(0) });
    /// let code = event_loop.exec();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// A second Qt application was made, such as by `QmlEngine::new()`.
    #[track_caller]
    pub fn exec(&self) -> i32 {
        let code = application::exec();
        application::check();
        code
    }

    /// Runs Qt's event loop until the future completes, and returns its result. The future need not
    /// be `'static`.
    ///
    /// It may be called before `exec()`, in a slot, in a task, and inside of another `block_on`.
    /// Windows, timers, sockets and the other tasks are served during the call. Nested calls return
    /// innermost first. The call also waits while Qt quits.
    ///
    /// Use [`run`](Loop::run) for a whole program with windows: Qt reports the close of the last
    /// window only in `exec()`, which `run` calls and `block_on` does not.
    ///
    /// ```no_run
    /// # let event_loop = qtloop::Loop::attach()?;
    /// let page = event_loop.block_on(qtloop::task::unblock(|| std::fs::read("page.html")))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// In a task or a slot, never wait by `block_on` of *another* executor, such as
    /// `futures_lite`'s, `pollster`'s or tokio's: it blocks the thread without running Qt. If the
    /// future waits for a timer, a socket or a task of this loop, the window freezes for ever,
    /// without an error. In a task write `.await`, in a slot call this function. A thread that has
    /// no loop may use the other executors.
    ///
    /// # Panics
    /// The future panics. The loop is dropped, or the Qt application is destroyed, during the call.
    /// Or 64 calls are nested already: tasks should `.await` instead.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    pub(crate) fn core(&self) -> &Rc<LoopCore> {
        &self.0
    }

    /// Sets how long a turn of tasks may delay Qt's own events. The default is 2 ms.
    pub fn set_turn_budget(&self, budget: std::time::Duration) {
        self.0.driver.set_budget(budget);
    }

    /// Sets how long a busy loop waits for the next request before the thread returns to Qt. The
    /// default is 0.1 ms; zero disables the wait. A loop whose events are further apart does not
    /// wait.
    pub fn set_linger(&self, linger: std::time::Duration) {
        self.0.driver.set_linger(linger);
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // From now on, destructors find no loop on this thread.
        let _ = CURRENT.try_with(|current| current.replace(Weak::new()));
        self.remove_watchdog();
        self.0.driver.detach();
        self.0.end();
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.shared.fmt(formatter)
    }
}

impl LoopCore {
    pub(crate) fn shared(&self) -> &Arc<LoopShared> {
        &self.shared
    }

    fn run(&self, mut turn: Turn<Job>) {
        let outer = self.running.take();
        loop {
            while let Some(job) = turn.next() {
                catch_panic(|| self.run_job(job, turn.job_deadline()));
            }
            if !turn.linger(Linger::wait) {
                break;
            }
        }
        self.running.set(outer);
        if let Some(error) = self.driver.take_error()
            && !self.has_failed.replace(true)
        {
            // A panic in a turn ends nothing; the panic hook prints it, or what the program has
            // set.
            panic!(
                "the event loop cannot watch its descriptors any more: {error}. The program has \
                 closed a descriptor that is not its own. Timers still fire; sockets do not"
            );
        }
    }

    fn run_job(&self, job: Job, deadline: Time) {
        match job {
            Job::Poll(task) => budget::with_deadline(deadline, || task.run(self)),
            Job::Sent(task) => task.remote_wake_arrived(),
            Job::Start(task) => task.start(self),
            Job::Due(task) => task.wake(),
            Job::Wake(wake) => wake.run(),
            Job::Readable(readiness) => readiness.on_event(&self.driver, Direction::Read),
            Job::Writable(readiness) => readiness.on_event(&self.driver, Direction::Write),
            Job::Call(call) => call.run(Some(self)),
        }
    }

    /// Closes the loop: cancels its tasks and ends all waits.
    fn end(&self) {
        self.shared.end();
        // Notify waiters on other threads first: a task's destructor may wait for one of them. From
        // now on, jobs that they send are handed back.
        for job in self.driver.drain() {
            catch_panic(|| job.end());
        }
        self.tasks.cancel_all(Some(self));
        self.exit_nested_loops();
    }

    /// Returns whether this task, if it is being polled, is the job of the innermost turn.
    fn is_innermost(&self, task: &TaskRef) -> bool {
        self.running.get().is_some_and(|running| task.is(running))
    }

    #[track_caller]
    pub(crate) fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        self.spawn_with(Attributes::<()>::default(), future)
    }

    #[track_caller]
    fn spawn_with<F: Future + 'static, N: Name>(
        &self,
        Attributes { name, priority }: Attributes<N>,
        future: F,
    ) -> JoinHandle<F::Output> {
        let priority = priority.unwrap_or_else(|| self.driver.priority());
        let (task, handle) = cell::task(&self.shared, name, priority, future);
        task.start(self);
        JoinHandle::new(handle)
    }

    #[track_caller]
    pub(crate) fn spawn_scoped<F: Future + 'static>(
        &self,
        object: &Object,
        future: F,
    ) -> JoinHandle<F::Output> {
        self.spawn_scoped_with(object, Attributes::<()>::default(), future)
    }

    #[track_caller]
    fn spawn_scoped_with<F: Future + 'static, N: Name>(
        &self,
        object: &Object,
        attributes: Attributes<N>,
        future: F,
    ) -> JoinHandle<F::Output> {
        let slot: Rc<OnceCell<TaskRef>> = Rc::default();
        let task = Rc::clone(&slot);
        let connection = object.signal("destroyed()").and_then(|destroyed| {
            SignalConnection::new(object, destroyed, move |_| {
                if let Some(task) = task.get() {
                    task.abort();
                }
            })
        });
        let is_gone = connection.is_none();
        let scoped = async move {
            let _connection = connection;
            future.await
        };
        let handle = self.spawn_with(attributes, scoped);
        let _ = slot.set(handle.task().clone());
        if is_gone {
            handle.abort();
        }
        handle
    }
}
