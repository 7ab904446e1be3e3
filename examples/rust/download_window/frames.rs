//! The measurement that the window stays smooth: the time between frames, as the window measures
//! it.

use std::collections::VecDeque;
use std::time::Instant;

use qmetaobject::prelude::*;

/// The number of frames kept, about those of the last minute.
const KEPT: usize = 60 * 60;

/// The number of frames between two updates of the figures: faster changes could not be read.
const REFRESH: usize = 15;

#[derive(QObject, Default)]
pub struct Frames {
    base: qt_base_class!(trait QObject),
    /// Called by QML at each frame. Returns the milliseconds since the last frame, or 0 at the
    /// first one.
    tick: qt_method!(fn(&mut self) -> f64),
    median: qt_property!(f64; NOTIFY changed),
    late: qt_property!(f64; NOTIFY changed),
    longest: qt_property!(f64; NOTIFY changed),
    changed: qt_signal!(),
    /// True while a screenshot is taken, which takes longer than a frame: such frames are not
    /// recorded.
    pub is_resting: bool,
    last: Option<Instant>,
    times: VecDeque<f64>,
    ticks: usize,
}

impl Frames {
    fn tick(&mut self) -> f64 {
        let now = (!self.is_resting).then(Instant::now);
        let last = std::mem::replace(&mut self.last, now);
        let (Some(now), Some(last)) = (now, last) else {
            return 0.0;
        };
        let time = (now - last).as_secs_f64() * 1e3;
        self.times.push_back(time);
        if self.times.len() > KEPT {
            self.times.pop_front();
        }
        self.ticks += 1;
        if self.ticks.is_multiple_of(REFRESH) {
            self.figure();
        }
        time
    }

    /// Updates the figures.
    pub fn figure(&mut self) {
        let mut times = Vec::from_iter(self.times.iter().copied());
        times.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * times.len().saturating_sub(1) as f64;
            times.get(place.round() as usize).copied().unwrap_or(0.0)
        };
        (self.median, self.late, self.longest) = (at(0.5), at(0.99), at(1.0));
        self.changed();
    }

    pub fn report(&mut self) -> String {
        self.figure();
        format!(
            "Frame time over {} frames: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms.",
            self.times.len(),
            self.median,
            self.late,
            self.longest
        )
    }
}
