//! The measuring tools of a child process: clocks, lateness, and the figures that it prints.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The kind of a figure, which determines how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Less is better; shown as a ratio.
    Seconds,
    /// Not compared: each peer's figure is shown.
    Count,
    Ratio,
    BytesPerSecond,
}

/// One figure of one peer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Figure {
    pub row: String,
    pub unit: Unit,
    pub value: f64,
}

impl Figure {
    pub fn new(row: impl Into<String>, unit: Unit, value: f64) -> Figure {
        Figure {
            row: row.into(),
            unit,
            value,
        }
    }

    pub fn seconds(row: impl Into<String>, value: f64) -> Figure {
        Figure::new(row, Unit::Seconds, value)
    }
}

/// Returns whether the environment has `QUICK=1`: a rough measurement.
pub fn is_quick() -> bool {
    std::env::var_os("QUICK").is_some_and(|value| value == "1")
}

/// Returns the number of steps, or a tenth of it for a rough measurement.
pub fn steps(number: usize) -> usize {
    if is_quick() { number / 10 } else { number }
}

/// Returns the CPU time of this process, in seconds; other processes are not included.
pub fn cpu() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// Returns the CPU time of all threads except this one.
pub fn cpu_of_others() -> f64 {
    cpu() - seconds(ClockId::ThreadCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The lateness of events in nanoseconds, and the number of events that were early.
pub struct Lateness {
    late: Histogram<u64>,
    early: u64,
}

impl Lateness {
    pub fn new() -> Lateness {
        Lateness {
            late: Histogram::new(3).expect("three digits are allowed"),
            early: 0,
        }
    }

    /// Records an event that was due at that time and happens now.
    pub fn record(&mut self, due: Instant) {
        let now = Instant::now();
        self.early += u64::from(now < due);
        self.record_late(now.saturating_duration_since(due));
    }

    pub fn record_late(&mut self, late: Duration) {
        let late = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
        self.late.record(late).expect("the histogram grows");
    }

    pub fn percentile(&self, name: &str, percent: f64) -> Figure {
        let late = self.late.value_at_quantile(percent / 100.0);
        Figure::seconds(format!("{name}, p{percent}"), late as f64 * 1e-9)
    }

    pub fn max(&self, name: &str) -> Figure {
        Figure::seconds(format!("{name}, max"), self.late.max() as f64 * 1e-9)
    }

    pub fn early(&self, name: &str) -> Figure {
        Figure::new(format!("{name}, early"), Unit::Count, self.early as f64)
    }
}
