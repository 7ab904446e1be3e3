//! The events that Qt delivers on the loop's thread, for the recorder.
//!
//! Qt calls the track without the GIL, and the recorder is used with the GIL only: a loop may run
//! on another thread than the one on which the recording began. So the track keeps the events until
//! the recorder takes them, before it records anything else.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::instruments::recorder::{Clock, Recorder, Ticks};
use crate::qt::activity::{Activity, ActivityObserver};

/// The number of events that are kept for the recorder. While the loop does not run, nothing takes
/// them.
const MAX_EVENTS: usize = 1 << 16;

/// An event: the number of its receiver's class and its type; `None` if Qt is about to wait.
type Event = Option<(usize, u16)>;

#[derive(Default)]
struct Kept {
    events: Vec<(Ticks, Event)>,
    classes: Vec<Box<str>>,
    by_name: FxHashMap<Box<str>, usize>,
}

/// The events that no recorder has taken.
pub(super) struct QtTrack {
    clock: Clock,
    kept: Mutex<Kept>,
    has_events: AtomicBool,
}

impl QtTrack {
    pub(super) fn new(clock: Clock) -> Arc<QtTrack> {
        Arc::new(QtTrack {
            clock,
            kept: Mutex::default(),
            has_events: AtomicBool::new(false),
        })
    }

    fn keep(&self, event: impl FnOnce(&mut Kept) -> Event) {
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.events.len() < MAX_EVENTS {
            let event = event(&mut kept);
            kept.events.push((now, event));
            self.has_events.store(true, Ordering::Release);
        }
    }

    /// Passes the events to the recorder.
    #[inline]
    pub(super) fn flush(&self, recorder: &Recorder) {
        if self.has_events.load(Ordering::Acquire) {
            self.flush_all(recorder);
        }
    }

    #[cold]
    fn flush_all(&self, recorder: &Recorder) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept {
            events, classes, ..
        } = &mut *kept;
        for (at, event) in events.drain(..) {
            match event {
                Some((class, kind)) => recorder.qt_event_at(at, &classes[class], kind),
                None => recorder.qt_blocks_at(at),
            }
        }
        self.has_events.store(false, Ordering::Release);
    }
}

/// Keeps the events of the observed thread.
pub(super) struct QtEvents(pub(super) Arc<QtTrack>);

impl ActivityObserver for QtEvents {
    fn changed(&self, activity: Activity, _now: Instant) {
        if activity == Activity::Waits {
            self.0.keep(|_| None);
        }
    }

    fn event(&self, receiver: &CStr, kind: i32) {
        let kind = u16::try_from(kind).unwrap_or(u16::MAX);
        self.0.keep(|kept| {
            let name = receiver.to_string_lossy();
            let known = kept.by_name.get(&*name).copied();
            let class = known.unwrap_or_else(|| {
                kept.classes.push(name.clone().into());
                kept.by_name.insert(name.into(), kept.classes.len() - 1);
                kept.classes.len() - 1
            });
            Some((class, kind))
        });
    }
}
