//! Whether a thread processes Qt's events or waits for them: see `cpp/activity.h`.
//!
//! A thread has one C++ object for all observers. It exists while there are some. Without
//! observers in the process, a turn costs one test.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::app;
use super::table::{QtloopActivity, Table, table};
use crate::panic::catch_panic;

/// The activity of a thread: busy, or waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It has begun to process events.
    Begins {
        /// It is the application's thread, and the application shows a window.
        has_window: bool,
    },
    /// It has delivered a ping or begun a turn, while it was busy: no event handler blocks it.
    Progresses,
    /// It is about to wait for events, or has left its Qt event loops.
    Waits,
}

/// An observer of a thread's activity, called on that thread. It must not run event loops, and must
/// not add or remove observers.
pub trait ActivityObserver {
    /// The activity has changed.
    fn changed(&self, activity: Activity, now: Instant);

    /// An event is about to be delivered, on the application's thread. `receiver` is the name of
    /// the receiver's class, and `kind` the number of the event type (`QEvent::Type`).
    fn event(&self, receiver: &CStr, kind: i32) {
        let _ = (receiver, kind);
    }
}

/// The times that a thread has spent since it is observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActivityTimes {
    /// In Qt's event loops, with event handlers, slots and turns. On other threads than the
    /// application's, the events before the first turn of a pass count as waiting.
    pub busy: Duration,
    /// In Qt's event loops, waiting for events.
    pub waiting: Duration,
}

/// Posts a ping to a thread, from any thread. No effect after the thread is no longer observed.
#[derive(Clone, Default)]
pub struct Pinger(Arc<Mutex<Option<Target>>>);

struct Target(NonNull<QtloopActivity>);

// SAFETY: other threads only call `activity_ping` with it, which allows that.
unsafe impl Send for Target {}

impl Pinger {
    /// Posts the ping.
    pub fn ping(&self) {
        let target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Target(activity)) = &*target {
            // SAFETY: the activity is freed only after the target was taken under this lock.
            unsafe { (table().activity_ping)(activity.as_ptr()) };
        }
    }
}

impl fmt::Debug for Pinger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pinger")
    }
}

/// One observer of a thread.
struct Entry {
    key: u64,
    wants_events: bool,
    /// False after the guard was dropped on another thread.
    is_alive: Arc<AtomicBool>,
    observer: Rc<dyn ActivityObserver>,
}

/// The observers of a thread, and what they share.
#[derive(Default)]
struct Observed {
    activity: Cell<Option<NonNull<QtloopActivity>>>,
    entries: RefCell<Vec<Entry>>,
    pinger: RefCell<Pinger>,
    has_window: Cell<bool>,
    times: Cell<ActivityTimes>,
    /// Since when the thread is busy (true) or waits (false).
    since: Cell<Option<(bool, Instant)>>,
    /// The process that has made the activity. A forked child leaves it alone: another thread may
    /// have held the lock of the pinger.
    process: Cell<u32>,
}

thread_local! {
    static OBSERVED: Observed = Observed::default();
    /// The number of turns under way, which is counted also while nothing observes the thread.
    static TURNS: Cell<c_int> = const { Cell::new(0) };
}

/// The number of threads with an activity.
static THREADS: AtomicUsize = AtomicUsize::new(0);
static KEYS: AtomicU64 = AtomicU64::new(0);

impl Observed {
    fn start(&self) {
        if self.activity.get().is_some() {
            return;
        }
        // SAFETY: no preconditions; `notify` is a static function.
        let activity = unsafe { (table().activity_new)(notify, TURNS.get()) };
        let activity = NonNull::new(activity).expect("new does not return null");
        self.activity.set(Some(activity));
        self.pinger
            .replace(Pinger(Arc::new(Mutex::new(Some(Target(activity))))));
        self.process.set(std::process::id());
        self.times.set(ActivityTimes::default());
        let is_busy = self.is_busy();
        self.since.set(is_busy.then(|| (true, Instant::now())));
        if is_busy {
            self.look_for_window();
        }
        THREADS.fetch_add(1, Ordering::Relaxed);
    }

    /// Frees the activity if no observer is left.
    fn stop_if_unused(&self) {
        if !self.entries.borrow().is_empty() {
            return;
        }
        let Some(activity) = self.activity.take() else {
            return;
        };
        THREADS.fetch_sub(1, Ordering::Relaxed);
        if self.process.get() != std::process::id() {
            return;
        }
        let pinger = self.pinger.take();
        *pinger.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // SAFETY: freed once, here, on its thread. No other thread has it after the lock above.
        // Observers do not remove observers, so this is not inside of a call to them.
        unsafe { (table().activity_free)(activity.as_ptr()) };
    }

    fn is_busy(&self) -> bool {
        // SAFETY: the activity of this thread is alive until it is taken.
        let is_busy =
            |activity: NonNull<_>| unsafe { (table().activity_is_busy)(activity.as_ptr()) };
        self.activity.get().is_some_and(is_busy)
    }

    /// Updates `has_window`, if windows may have been shown or hidden.
    fn look_for_window(&self) {
        // SAFETY: as in `is_busy`.
        let has_changed =
            |activity: NonNull<_>| unsafe { (table().activity_take_windows)(activity.as_ptr()) };
        if self.activity.get().is_some_and(has_changed) {
            self.has_window
                .set(app::is_main_thread() && app::has_visible_window());
        }
    }

    /// Adds the time since the last change, and notes the next one.
    fn count(&self, is_busy: Option<bool>, now: Instant) {
        let mut times = self.times.get();
        match self.since.get() {
            Some((true, since)) => times.busy += now - since,
            Some((false, since)) => times.waiting += now - since,
            None => {}
        }
        self.times.set(times);
        self.since.set(is_busy.map(|is_busy| (is_busy, now)));
    }

    fn changed(&self, change: c_int) {
        let now = Instant::now();
        let was_busy = matches!(self.since.get(), Some((true, _)));
        let activity = match change {
            0 => {
                self.count(Some(true), now);
                self.look_for_window();
                Activity::Begins {
                    has_window: self.has_window.get(),
                }
            }
            1 => Activity::Progresses,
            2 => {
                self.count(Some(false), now);
                Activity::Waits
            }
            _ => {
                self.count(None, now);
                Activity::Waits
            }
        };
        if activity == Activity::Waits && !was_busy {
            return; // from outside of a Qt loop to a wait, or the other way
        }
        for entry in self.entries.borrow().iter() {
            if entry.is_alive.load(Ordering::Relaxed) {
                entry.observer.changed(activity, now);
            }
        }
    }

    /// Lets the C++ object call `event` only while an observer wants it.
    fn set_event(&self) {
        let is_wanted = self.entries.borrow().iter().any(|entry| entry.wants_events);
        let event: extern "C" fn(*const c_char, c_int) = event;
        if let Some(activity) = self.activity.get() {
            // SAFETY: as in `is_busy`; `event` is a static function.
            unsafe {
                (table().activity_set_event)(activity.as_ptr(), is_wanted.then_some(event));
            };
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.entries.take();
        self.stop_if_unused();
    }
}

extern "C" fn notify(change: c_int) {
    // Qt's frames below must not be unwound. After the end of the thread there are no observers.
    catch_panic(|| OBSERVED.try_with(|observed| observed.changed(change)));
}

extern "C" fn event(receiver: *const c_char, kind: c_int) {
    // SAFETY: Qt's class names end with a null byte, and live during the call.
    let receiver = unsafe { CStr::from_ptr(receiver) };
    catch_panic(|| {
        OBSERVED.try_with(|observed| {
            for entry in observed.entries.borrow().iter() {
                if entry.wants_events && entry.is_alive.load(Ordering::Relaxed) {
                    entry.observer.event(receiver, kind);
                }
            }
        })
    });
}

/// Removes an observer when it is dropped, on any thread.
#[derive(Debug)]
#[must_use = "dropped, it removes the observer"]
pub struct Observation {
    key: u64,
    thread: ThreadId,
    is_alive: Arc<AtomicBool>,
    pinger: Pinger,
}

impl Observation {
    /// Returns the pinger of the observed thread.
    #[must_use]
    pub fn pinger(&self) -> Pinger {
        self.pinger.clone()
    }
}

/// Observes this thread. If it is busy, the observer is called at once. With `wants_events` it
/// is also called for each event, which is possible on the application's thread only.
pub fn observe(observer: Rc<dyn ActivityObserver>, wants_events: bool) -> Observation {
    OBSERVED.with(|observed| {
        observed
            .entries
            .borrow_mut()
            .retain(|entry| entry.is_alive.load(Ordering::Relaxed));
        observed.start();
        if observed.is_busy() {
            let has_window = observed.has_window.get();
            observer.changed(Activity::Begins { has_window }, Instant::now());
        }
        let observation = Observation {
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            thread: thread::current().id(),
            is_alive: Arc::new(AtomicBool::new(true)),
            pinger: observed.pinger.borrow().clone(),
        };
        observed.entries.borrow_mut().push(Entry {
            key: observation.key,
            wants_events,
            is_alive: Arc::clone(&observation.is_alive),
            observer,
        });
        observed.set_event();
        observation
    })
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.is_alive.store(false, Ordering::Relaxed);
        if self.thread == thread::current().id() {
            // An error means that the observers were dropped with their thread.
            let _ = OBSERVED.try_with(|observed| {
                let mut entries = observed.entries.borrow_mut();
                let removed: Vec<Entry> = entries
                    .extract_if(.., |entry| entry.key == self.key)
                    .collect();
                drop(entries);
                drop(removed);
                observed.set_event();
                observed.stop_if_unused();
            });
        }
    }
}

/// Returns the times of this thread; `None` if it is not observed.
pub fn times() -> Option<ActivityTimes> {
    OBSERVED.with(|observed| {
        observed.activity.get()?;
        let since = observed.since.get();
        observed.count(since.map(|(is_busy, _)| is_busy), Instant::now());
        Some(observed.times.get())
    })
}

/// Calls the function that `choose` returns with the activity of this thread, if it is observed.
fn with_activity(choose: fn(&Table) -> unsafe extern "C" fn(*mut QtloopActivity)) {
    if THREADS.load(Ordering::Relaxed) == 0 {
        return;
    }
    let activity = OBSERVED.try_with(|observed| observed.activity.get());
    if let Ok(Some(activity)) = activity {
        // SAFETY: the activity of this thread is alive until it is taken.
        unsafe { choose(table())(activity.as_ptr()) };
    }
}

/// Runs `turn`, which is a call from Qt, or user code between two Qt event loops, as activity of
/// this thread.
pub(crate) fn in_turn<R>(turn: impl FnOnce() -> R) -> R {
    struct Ends;
    impl Drop for Ends {
        fn drop(&mut self) {
            TURNS.set(TURNS.get() - 1);
            with_activity(|table| table.activity_turn_ends);
        }
    }
    with_activity(|table| table.activity_turn_begins);
    TURNS.set(TURNS.get() + 1);
    let ends = Ends;
    let result = turn();
    drop(ends);
    result
}

/// Notes that a Qt event loop of this thread has returned.
pub(crate) fn loop_returned() {
    with_activity(|table| table.activity_loop_returned);
}
