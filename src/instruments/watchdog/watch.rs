//! The state that a watched thread and its watchdog share: atomics, checked by loom.
//!
//! The watched thread swaps `since` and then reads the flags of the watchdog. The watchdog stores a
//! flag and then reads `since`, by an operation that also writes it. Such operations have one order.
//! If the watchdog's is first, the watched thread sees the flag; otherwise the watchdog sees the
//! progress.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The state of a watched thread. Times are nanoseconds above zero.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The time of the last progress; 0 while the thread waits for events.
    since: AtomicU64,
    /// The progress after which a stall was reported; 0 for none.
    reported: AtomicU64,
    /// The time at which that stall has ended; 0 before.
    ended: AtomicU64,
    /// The watchdog sleeps until the thread begins to process events.
    is_parked: AtomicBool,
}

impl Watch {
    /// Notes progress at `now`, or with 0 for `since` that the thread waits. Called by the watched
    /// thread. Returns whether the watchdog must be woken.
    pub(super) fn progress(&self, since: u64, now: u64) -> bool {
        let before = self.since.swap(since, Ordering::AcqRel);
        if before != 0 && self.reported.load(Ordering::Relaxed) == before {
            self.ended.store(now, Ordering::Release);
            return true;
        }
        since != 0
            && self.is_parked.load(Ordering::Relaxed)
            && self.is_parked.swap(false, Ordering::Relaxed)
    }

    /// Returns the time of the last progress; 0 while the thread waits.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Acquire)
    }

    /// Returns the same, after the watchdog has stored a flag.
    fn since_after_flag(&self) -> u64 {
        self.since.fetch_or(0, Ordering::AcqRel)
    }

    /// Begins a report about the stall after `since`. Returns false if it is over already.
    /// Otherwise the watched thread notes its end.
    pub(super) fn claim(&self, since: u64) -> bool {
        self.ended.store(0, Ordering::Relaxed);
        self.reported.store(since, Ordering::Relaxed);
        let is_current = self.since_after_flag() == since;
        if !is_current {
            self.release();
        }
        is_current
    }

    /// Returns the time at which the reported stall has ended; `None` if the thread has not stored
    /// it yet.
    pub(super) fn ended(&self) -> Option<u64> {
        match self.ended.load(Ordering::Acquire) {
            0 => None,
            time => Some(time),
        }
    }

    /// Ends the report.
    pub(super) fn release(&self) {
        self.reported.store(0, Ordering::Relaxed);
    }

    /// Returns whether the watchdog may sleep until it is woken; `since` is what it has seen last.
    pub(super) fn may_park(&self, since: u64) -> bool {
        self.is_parked.store(true, Ordering::Relaxed);
        self.since_after_flag() == since
    }

    /// Notes that the watchdog is awake.
    pub(super) fn unparked(&self) {
        self.is_parked.store(false, Ordering::Relaxed);
    }
}

#[cfg(all(test, loom))]
mod races {
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::*;

    /// Stands for the token of `std::thread::park`.
    #[derive(Default)]
    struct Token(Mutex<bool>, Condvar);

    impl Token {
        fn unpark(&self) {
            *self.0.lock().expect("no panic under this lock") = true;
            self.1.notify_one();
        }

        fn park(&self) {
            let mut token = self.0.lock().expect("no panic under this lock");
            while !*token {
                token = self.1.wait(token).expect("no panic under this lock");
            }
            *token = false;
        }
    }

    #[test]
    fn parked_watchdog_is_woken_by_the_first_progress() {
        loom::model(|| {
            let shared = Arc::new((Watch::default(), Token::default()));
            let watched = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    if shared.0.progress(5, 5) {
                        shared.1.unpark();
                    }
                })
            };
            // A lost wake-up would be a deadlock, which loom reports.
            while shared.0.since() == 0 {
                if shared.0.may_park(0) {
                    shared.1.park();
                }
                shared.0.unparked();
            }
            watched.join().expect("no panic");
        });
    }

    #[test]
    fn end_of_a_claimed_stall_is_noted_and_wakes_the_watchdog() {
        loom::model(|| {
            let shared = Arc::new((Watch::default(), Token::default()));
            shared.0.progress(5, 5);
            let watched = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    if shared.0.progress(0, 9) {
                        shared.1.unpark();
                    }
                })
            };
            let is_claimed = shared.0.claim(5);
            if is_claimed {
                while shared.0.since() == 5 {
                    if shared.0.may_park(5) {
                        shared.1.park();
                    }
                    shared.0.unparked();
                }
            }
            watched.join().expect("no panic");
            if is_claimed {
                assert_eq!(shared.0.ended(), Some(9));
            }
        });
    }
}
