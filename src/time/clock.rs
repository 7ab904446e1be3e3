//! Conversion between [`Instant`] and the loop's clock.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::reactor::Time;
use crate::task::LoopShared;

/// One moment by both clocks. They are the same clock, but `Instant` does not show its reading.
#[derive(Clone, Copy)]
struct Anchor(Instant, Time);

impl Anchor {
    /// Takes the closest of several pairs of readings. The `Time` is read second, so a converted
    /// deadline is not early.
    fn new() -> Anchor {
        let mut closest = (Duration::MAX, Anchor(Instant::now(), Time::now()));
        for _ in 0..8 {
            let anchor = Anchor(Instant::now(), Time::now());
            closest = std::cmp::min_by_key(closest, (anchor.0.elapsed(), anchor), |pair| pair.0);
        }
        closest.1
    }

    /// On other systems than Linux, one of the two clocks may stand still while the computer is
    /// suspended.
    fn get() -> Anchor {
        static ANCHOR: OnceLock<Anchor> = OnceLock::new();
        if cfg!(target_os = "linux") {
            *ANCHOR.get_or_init(Anchor::new)
        } else {
            Anchor(Instant::now(), Time::now())
        }
    }
}

/// Returns the moment so long from now. Without a paused clock it is derived from an `Instant`, so
/// that converted back it is not before the caller's own.
pub(super) fn from_now(shared: &Arc<LoopShared>, duration: Duration) -> Time {
    if shared.is_virtual() {
        return shared.now() + duration;
    }
    Instant::now()
        .checked_add(duration)
        .map_or(Time::NEVER, moment)
}

/// Converts to the loop's clock.
pub(crate) fn moment(instant: Instant) -> Time {
    let Anchor(here, now) = Anchor::get();
    if let Some(ahead) = instant.checked_duration_since(here) {
        return now + ahead;
    }
    let behind = here.saturating_duration_since(instant).as_nanos();
    let behind = i64::try_from(behind).unwrap_or(i64::MAX);
    Time::from_nanos(now.as_nanos().saturating_sub(behind))
}

/// Converts from the loop's clock. A time that an `Instant` cannot hold is 30 years from now, as in
/// tokio.
pub(super) fn instant(moment: Time) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    let Anchor(here, now) = Anchor::get();
    let ahead = moment.as_nanos().saturating_sub(now.as_nanos());
    let distance = Duration::from_nanos(ahead.unsigned_abs());
    if ahead < 0 {
        here.checked_sub(distance).unwrap_or(here)
    } else {
        here.checked_add(distance).unwrap_or_else(|| here + FAR)
    }
}
