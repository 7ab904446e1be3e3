//! The clock of the loop: nanoseconds of the monotonic clock, which Python's `time.monotonic()`
//! reads.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A time of `CLOCK_MONOTONIC`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// A time that is never reached: a timer set to it is kept and never due.
    pub const NEVER: Time = Time(i64::MAX);

    /// Returns the current time.
    #[must_use]
    pub fn now() -> Time {
        let now = clock_gettime(ClockId::Monotonic);
        Time(now.tv_sec * 1_000_000_000 + now.tv_nsec)
    }

    /// Returns the time `nanoseconds` after the clock's zero.
    #[must_use]
    pub const fn from_nanos(nanoseconds: i64) -> Time {
        Time(nanoseconds)
    }

    /// Returns the time `seconds` after the clock's zero, rounded up, because a timer must never be
    /// early. Infinity, and times beyond 292 years, are [`Time::NEVER`]; NaN gives `None`.
    #[must_use]
    pub fn from_secs_f64(seconds: f64) -> Option<Time> {
        if seconds.is_nan() {
            return None;
        }
        // The cast saturates, which is right at both ends of the range.
        #[allow(clippy::cast_possible_truncation)]
        let mut time = Time((seconds * 1e9).round() as i64);
        // Rounded down, or the product was: the next nanosecond, or a few more.
        while time.as_secs_f64() < seconds && time < Time::NEVER {
            time.0 += 1;
        }
        Some(time)
    }

    /// Returns the time `seconds` after this one. The seconds are rounded up to the nanosecond; the
    /// results for infinity and NaN are those of [`from_secs_f64`](Time::from_secs_f64).
    #[must_use]
    pub fn plus_secs_f64(self, seconds: f64) -> Option<Time> {
        let distance = Time::from_secs_f64(seconds)?;
        Some(if distance == Time::NEVER {
            Time::NEVER
        } else {
            Time(self.0.saturating_add(distance.0))
        })
    }

    /// Returns the seconds since the clock's zero, rounded as Python rounds them.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Returns the nanoseconds since the clock's zero.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Returns the duration from `now` until this time; zero if it has passed, `None` for
    /// [`Time::NEVER`].
    #[must_use]
    pub fn after(self, now: Time) -> Option<Duration> {
        let left = self.0.saturating_sub(now.0).max(0);
        (self != Time::NEVER).then(|| Duration::from_nanos(left.unsigned_abs()))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Time(self.0.saturating_add(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up_to_the_next_nanosecond() {
        assert_eq!(Time::from_secs_f64(1.0), Some(Time(1_000_000_000)));
        assert_eq!(Time::from_secs_f64(1e-10), Some(Time(1)));
    }

    #[test]
    fn time_from_seconds_is_never_earlier_than_the_seconds() {
        // After months of uptime, one in thirty deadlines would be too early by the last bit.
        let mut seconds = 10_000_000.000_000_1_f64;
        for _ in 0..100_000 {
            let time = Time::from_secs_f64(seconds).expect("a number");
            assert!(time.as_secs_f64() >= seconds);
            seconds = f64::from_bits(seconds.to_bits() + 7);
        }
    }

    #[test]
    fn seconds_of_whole_nanoseconds_are_not_rounded() {
        for nanoseconds in [
            1_100_000_000,
            300_000_000,
            7_000_000_001,
            86_399_999_999_999,
        ] {
            let time = Time(nanoseconds);
            assert_eq!(Time::from_secs_f64(time.as_secs_f64()), Some(time));
        }
    }

    #[test]
    fn short_distance_after_a_long_time_is_not_lost() {
        let now = Time(1_700_000_000_000_000_000);
        assert_eq!(now.plus_secs_f64(1e-9), Some(Time(now.0 + 1)));
        assert_eq!(now.plus_secs_f64(1e-12), Some(Time(now.0 + 1)));
        assert_eq!(now.plus_secs_f64(0.0), Some(now));
        assert_eq!(Time(-1).plus_secs_f64(f64::INFINITY), Some(Time::NEVER));
        assert_eq!(now.plus_secs_f64(f64::NAN), None);
    }

    #[test]
    fn infinity_is_never_and_nan_is_none() {
        assert_eq!(Time::from_secs_f64(f64::INFINITY), Some(Time::NEVER));
        assert_eq!(Time::from_secs_f64(f64::NAN), None);
        assert_eq!(Time::NEVER.after(Time::now()), None);
    }

    #[test]
    fn duration_until_a_past_time_is_zero() {
        assert_eq!(Time(5).after(Time(9)), Some(Duration::ZERO));
        assert_eq!(Time(9).after(Time(5)), Some(Duration::from_nanos(4)));
    }

    #[test]
    fn adding_beyond_the_maximum_gives_never() {
        assert_eq!(Time::now() + Duration::MAX, Time::NEVER);
    }
}
