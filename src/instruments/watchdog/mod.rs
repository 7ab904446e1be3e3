//! The watchdog: a thread that reports when another thread, which runs Qt's events, is blocked.
//!
//! *Progress* is the first event after a wait, the delivery of a ping, or the begin of a turn that
//! Qt calls. Without progress the thread is pinged at half of the threshold, and reported at the
//! threshold. A loop around `processEvents()` delivers the ping, so it is not blocked. Events that
//! a slot sends synchronously are not progress.
//!
//! The two threads share a [`Watch`]. The watchdog sleeps without a timeout while the watched
//! thread waits for events. `policy.rs` decides what happens when; `watch.rs` has the atomics.

mod policy;
mod task;
mod watch;

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::qt::activity::{self, Activity, ActivityObserver, Observation, Pinger};

use policy::{Nanos, Policy, Step};
pub(crate) use task::RunningTask;
use watch::Watch;

/// The stack of the watchdog's thread, which formats a few lines.
const STACK: usize = 256 * 1024;

/// How long the watchdog waits for the time of a progress that has just happened.
const MOMENT: Duration = Duration::from_millis(1);

/// A report about a thread that is or was blocked.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// How long the thread has been blocked so far or, if `is_over`, in total.
    pub(crate) elapsed: Duration,
    pub(crate) is_over: bool,
    /// The thread is the application's, and the application shows a window.
    pub(crate) has_window: bool,
    /// The name of the task that was running when the stall was reported first, if it is noted.
    pub(crate) task: Option<Arc<str>>,
    /// The same for all reports of one stall, and different from that of each other stall.
    #[cfg_attr(not(feature = "python"), allow(dead_code))]
    pub(crate) stall: Stall,
}

/// One stall of a thread.
#[derive(Clone)]
pub(crate) struct Stall {
    shared: Arc<Shared>,
    since: Nanos,
}

#[cfg_attr(not(feature = "python"), allow(dead_code))]
impl Stall {
    /// Returns whether the thread is still blocked.
    pub(crate) fn is_current(&self) -> bool {
        self.shared.watch.since() == self.since
    }

    /// Returns how long the thread has been blocked until now, if it still is.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.shared.now().saturating_sub(self.since))
    }

    /// Returns a number that no other stall of this watchdog has.
    pub(crate) fn number(&self) -> u64 {
        self.since
    }
}

impl fmt::Debug for Stall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Stall").field(&self.since).finish()
    }
}

/// The state of one watchdog, shared by its thread and the watched thread.
struct Shared {
    /// A time before the first one of `watch`.
    base: Instant,
    watch: Watch,
    has_window: AtomicBool,
    running_task: Arc<RunningTask>,
    has_stopped: AtomicBool,
}

impl Shared {
    fn now(&self) -> Nanos {
        self.at(Instant::now())
    }

    fn at(&self, time: Instant) -> Nanos {
        let nanos = time.saturating_duration_since(self.base).as_nanos();
        Nanos::try_from(nanos).unwrap_or(Nanos::MAX).max(1)
    }
}

/// The part of the watched thread: it notes progress, and wakes the watchdog.
struct Progress {
    shared: Arc<Shared>,
    watchdog: thread::Thread,
}

impl ActivityObserver for Progress {
    fn changed(&self, activity: Activity, now: Instant) {
        let now = self.shared.at(now);
        if let Activity::Begins { has_window } = activity {
            self.shared.has_window.store(has_window, Ordering::Relaxed);
        }
        let since = match activity {
            Activity::Waits => 0,
            Activity::Begins { .. } | Activity::Progresses => now,
        };
        if self.shared.watch.progress(since, now) {
            self.watchdog.unpark();
        }
    }
}

/// Watches the thread that has made it, until it is dropped. A forked child has no watchdog.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    observation: Option<Observation>,
    thread: Option<JoinHandle<()>>,
    process: u32,
}

impl Watchdog {
    /// Watches this thread. `report` is called on the watchdog's thread.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub(crate) fn new(
        threshold: Duration,
        report: impl FnMut(Report) + Send + 'static,
    ) -> io::Result<Watchdog> {
        let shared = Arc::new(Shared {
            base: Instant::now() - Duration::from_nanos(1),
            watch: Watch::default(),
            has_window: AtomicBool::new(false),
            running_task: Arc::default(),
            has_stopped: AtomicBool::new(false),
        });
        // The pinger exists after the observation, which needs the handle of the thread.
        let (send, receive) = std::sync::mpsc::channel::<Pinger>();
        let watching = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("qtloop-watchdog".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                if let Ok(pinger) = receive.recv() {
                    run(&watching, &pinger, Policy::new(threshold), report);
                }
            })?;
        let progress = Progress {
            shared: Arc::clone(&shared),
            watchdog: thread.thread().clone(),
        };
        let observation = activity::observe(Rc::new(progress), false);
        let _ = send.send(observation.pinger());
        Ok(Watchdog {
            shared,
            observation: Some(observation),
            thread: Some(thread),
            process: std::process::id(),
        })
    }

    /// Returns the note of the task that is running, for the reports.
    pub(crate) fn running_task(&self) -> Arc<RunningTask> {
        Arc::clone(&self.shared.running_task)
    }
}

impl Drop for Watchdog {
    /// Ends the thread, after its last report. A stall that is not over is reported as over now.
    fn drop(&mut self) {
        self.observation = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.process != std::process::id() {
            // A join would never return. Its thread does not exist in this process.
            std::mem::forget(thread);
            return;
        }
        self.shared.has_stopped.store(true, Ordering::SeqCst);
        thread.thread().unpark();
        if thread.thread().id() != thread::current().id() {
            // An error is a panic of the reporter, which the panic hook has printed.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Watchdog")
    }
}

/// Runs the watchdog's thread.
fn run(shared: &Arc<Shared>, pinger: &Pinger, mut policy: Policy, mut report: impl FnMut(Report)) {
    // What the first report of a stall says, for the later ones: at the end the window may be
    // closed, and another task may run.
    let (mut task, mut has_window) = (None, false);
    let mut tell = |since: Nanos, until: Nanos, is_over, task: &Option<Arc<str>>, has_window| {
        report(Report {
            elapsed: Duration::from_nanos(until.saturating_sub(since)),
            is_over,
            has_window,
            task: task.clone(),
            stall: Stall {
                shared: Arc::clone(shared),
                since,
            },
        });
    };
    loop {
        let (now, since) = (shared.now(), shared.watch.since());
        let reported = policy.reported();
        if shared.has_stopped.load(Ordering::SeqCst) {
            if reported != 0 {
                let until = shared.watch.ended().unwrap_or(now);
                tell(reported, until, true, &task, has_window);
            }
            return;
        }
        match policy.step(now, since) {
            Step::Ping => pinger.ping(),
            Step::Report => {
                if reported == 0 {
                    task = shared.running_task.get();
                    has_window = shared.has_window.load(Ordering::Relaxed);
                    if !shared.watch.claim(since) {
                        policy.withdraw();
                        continue;
                    }
                }
                tell(since, now, false, &task, has_window);
            }
            Step::Over => {
                let until = loop {
                    match shared.watch.ended() {
                        Some(until) => break until,
                        None => thread::park_timeout(MOMENT),
                    }
                };
                shared.watch.release();
                tell(reported, until, true, &task, has_window);
            }
            Step::Sleep(until) => {
                thread::park_timeout(Duration::from_nanos(until.saturating_sub(now)));
            }
            Step::Park => {
                if shared.watch.may_park(since) && !shared.has_stopped.load(Ordering::SeqCst) {
                    thread::park();
                }
                shared.watch.unparked();
            }
        }
    }
}
