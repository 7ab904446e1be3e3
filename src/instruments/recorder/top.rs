//! Run times and latencies per code location, of the whole recording.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::clock::{Scale, Ticks};
use super::places::{Place, PlaceId, Places};

/// The number of places with histograms, which take 24 kB each. Further places have none.
const MAX_HISTOGRAMS: usize = 512;

/// The range of the histograms in ticks, about 0.3 µs to 2 minutes. Values outside of it count as
/// its ends.
const LOWEST: u64 = 1_000;
const HIGHEST: u64 = 1 << 38;

/// The number of exact decimal digits.
const DIGITS: u8 = 2;

/// The order of the places in [`Recorder::top`](super::Recorder::top).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The largest sum of run times first.
    #[default]
    Total,
    /// The longest single run first.
    Worst,
}

/// Quantiles of a time. The error is below 1 %, and half a microsecond for short times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// The median.
    pub p50: Duration,
    /// The time that 90 % of the values do not exceed.
    pub p90: Duration,
    /// The time that 99 % of the values do not exceed.
    pub p99: Duration,
}

/// The times of the jobs of one place.
///
/// A run time excludes the jobs that have run inside of the job, in a nested Qt event loop, and the
/// time for which that loop waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceTimes {
    /// Where the code is.
    pub place: Place,
    /// The number of jobs that have run.
    pub count: u64,
    /// The sum of the run times.
    pub total: Duration,
    /// The longest run time.
    pub worst: Duration,
    /// When the job with the longest run time began, after the begin of the recording.
    pub worst_at: Duration,
    /// The longest time from ready to begin, of the jobs of which both are known.
    pub worst_latency: Duration,
    /// The quantiles of the run time; `None` beyond the first 512 places.
    pub run: Option<Quantiles>,
    /// The quantiles of the time from ready to begin.
    pub latency: Option<Quantiles>,
}

/// Writes the place, the sum, the number and the longest time, in seconds.
impl fmt::Display for PlaceTimes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place {
            file,
            line,
            function,
        } = &self.place;
        if !file.is_empty() {
            write!(formatter, "{file}:{line} ")?;
        }
        let (total, worst) = (self.total.as_secs_f64(), self.worst.as_secs_f64());
        let count = self.count;
        write!(
            formatter,
            "({function}): {total:.6} s in {count}, at most {worst:.6} s"
        )
    }
}

#[derive(Debug, Default)]
struct Times {
    count: u64,
    total: u64,
    worst: u64,
    worst_at: Ticks,
    worst_latency: u64,
    histograms: Option<Box<Histograms>>,
}

#[derive(Debug)]
struct Histograms {
    run: Histogram<u32>,
    latency: Histogram<u32>,
}

impl Histograms {
    fn new() -> Option<Box<Histograms>> {
        let run = Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).ok()?;
        let latency = run.clone();
        Some(Box::new(Histograms { run, latency }))
    }
}

/// The times of each place, by its number.
#[derive(Debug, Default)]
pub(super) struct Top {
    places: Vec<Times>,
    histograms: usize,
}

impl Top {
    /// Adds the run of a job. `latency` is `None` if it is unknown when the job was ready.
    #[inline]
    pub(super) fn add(&mut self, place: PlaceId, started: Ticks, run: u64, latency: Option<u64>) {
        if self.places.len() <= place.index() {
            self.grow(place);
        }
        let times = &mut self.places[place.index()];
        if times.count == 0 && self.histograms < MAX_HISTOGRAMS {
            self.histograms += 1;
            times.histograms = Histograms::new();
        }
        times.count += 1;
        times.total += run;
        if run >= times.worst {
            times.worst = run;
            times.worst_at = started;
        }
        if let Some(histograms) = &mut times.histograms {
            histograms.run.saturating_record(run);
            if let Some(latency) = latency {
                histograms.latency.saturating_record(latency);
            }
        }
        if let Some(latency) = latency {
            times.worst_latency = times.worst_latency.max(latency);
        }
    }

    #[cold]
    fn grow(&mut self, place: PlaceId) {
        self.places.resize_with(place.index() + 1, Times::default);
    }

    /// Returns the first `n` places in an order.
    pub(super) fn first(
        &self,
        n: usize,
        order: Order,
        places: &Places,
        scale: &Scale,
    ) -> Vec<PlaceTimes> {
        let mut found: Vec<_> = (0_u32..)
            .map(PlaceId)
            .zip(&self.places)
            .filter(|(_, times)| times.count > 0)
            .collect();
        let key = |times: &Times| match order {
            Order::Total => times.total,
            Order::Worst => times.worst,
        };
        found.sort_by_key(|(_, times)| std::cmp::Reverse(key(times)));
        found.truncate(n);
        let time = |ticks| Duration::from_nanos(scale.nanos(ticks));
        let quantiles = |histogram: &Histogram<u32>, worst: u64| {
            let at = |quantile| time(histogram.value_at_quantile(quantile).min(worst));
            Quantiles {
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
            }
        };
        let entries = found.into_iter().map(|(id, times)| PlaceTimes {
            place: places.get(id),
            count: times.count,
            total: time(times.total),
            worst: time(times.worst),
            worst_at: Duration::from_nanos(scale.since_begin(times.worst_at)),
            worst_latency: time(times.worst_latency),
            run: times
                .histograms
                .as_ref()
                .map(|both| quantiles(&both.run, times.worst)),
            latency: times
                .histograms
                .as_ref()
                .filter(|both| !both.latency.is_empty())
                .map(|both| quantiles(&both.latency, times.worst_latency)),
        });
        entries.collect()
    }
}
