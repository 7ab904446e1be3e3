//! The clock of a loop's timers, which the feature `test-util` can pause.

use std::sync::Arc;

use super::LoopShared;
#[cfg(feature = "test-util")]
use super::{LoopCore, current};
use crate::reactor::Time;

/// Keeps the paused clock of a loop from jumping until it is dropped, on any thread.
#[derive(Debug)]
pub(crate) struct TimeHold {
    #[cfg(feature = "test-util")]
    shared: Option<Arc<LoopShared>>,
}

#[cfg(not(feature = "test-util"))]
impl TimeHold {
    /// Does nothing: without the feature no clock is paused.
    pub(crate) fn here() -> TimeHold {
        TimeHold {}
    }
}

#[cfg(not(feature = "test-util"))]
impl LoopShared {
    /// Returns the time of the loop's timers.
    #[allow(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn now(self: &Arc<Self>) -> Time {
        Time::now()
    }

    /// Returns whether the time of the loop's timers is not the real one.
    #[allow(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn is_virtual(self: &Arc<Self>) -> bool {
        false
    }
}

#[cfg(feature = "test-util")]
mod paused {
    use std::time::Duration;

    use super::{Arc, LoopCore, LoopShared, Time, TimeHold, current};
    use crate::driver::VirtualTime;

    impl TimeHold {
        /// Holds the clock of this thread's loop, if there is one.
        pub(crate) fn here() -> TimeHold {
            let core = current();
            if let Some(core) = &core {
                core.driver.hold_time();
            }
            TimeHold {
                shared: core.map(|core| Arc::clone(core.shared())),
            }
        }
    }

    impl Drop for TimeHold {
        fn drop(&mut self) {
            if let Some(shared) = self.shared.take() {
                shared.call(|core| {
                    if let Some(core) = core {
                        core.driver.release_time();
                    }
                });
            }
        }
    }

    impl LoopShared {
        /// Returns the time of the loop's timers, on any thread.
        pub(crate) fn now(&self) -> Time {
            self.virtual_time
                .get()
                .map_or_else(Time::now, |time| time.now())
        }

        /// Returns whether the time of the loop's timers is not the real one.
        pub(crate) fn is_virtual(&self) -> bool {
            self.virtual_time.get().is_some()
        }
    }

    impl LoopCore {
        /// Pauses the clock. Returns false if it is paused already.
        pub(crate) fn pause_time(&self, idle: Duration) -> bool {
            let mut is_new = false;
            let time = self.shared.virtual_time.get_or_init(|| {
                is_new = true;
                VirtualTime::new(Time::now(), idle, 0)
            });
            if is_new {
                self.driver.set_virtual_time(Arc::clone(time));
            }
            is_new || self.driver.pause_time(idle)
        }

        /// Lets the clock run again. Returns false if it is not paused.
        pub(crate) fn resume_time(&self) -> bool {
            self.driver.resume_time()
        }

        /// Returns the time that an advance by `duration` leads to; `None` if the clock is not
        /// paused.
        pub(crate) fn goal_of_advance(&self, duration: Duration) -> Option<Time> {
            let time = self.shared.virtual_time.get()?;
            time.is_paused().then(|| time.goal() + duration)
        }

        /// Advances the clock. Returns false if it is not paused.
        pub(crate) fn advance_time(&self, duration: Duration) -> bool {
            self.driver.advance(duration)
        }
    }
}
