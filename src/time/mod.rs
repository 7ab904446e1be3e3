//! Timers: [`sleep`], [`interval`], [`timeout`], and [`StreamExt`] for streams. They are never
//! early; they are some 50 µs late on Linux, and a millisecond elsewhere.
//!
//! With the feature `test-util`, a test can pause the clock of the timers: [`now`] and `pause`.
//!
//! The names and their meaning are those of
//! [tokio::time](https://docs.rs/tokio/latest/tokio/time/), with [`std::time::Instant`].

mod clock;
mod interval;
mod pace;
mod pause;
mod sleep;
mod timeout;

pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use pace::{Debounce, StreamExt, Throttle};
pub use pause::now;
#[cfg(feature = "test-util")]
pub use pause::{advance, pause, pause_with_idle, resume};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

#[cfg(feature = "hyper")]
pub(crate) use clock::moment;
