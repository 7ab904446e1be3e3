//! Tests of the recorder, with a clock that stands still until it is advanced.

mod check;
mod model;
mod names;
mod saving;
mod times;
mod traces;

use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::reactor::Priority;

/// A recorder and its clock.
struct World {
    ticks: Arc<AtomicU64>,
    places: Rc<Places>,
    recorder: Recorder,
}

impl World {
    fn new(events: usize) -> World {
        World::after(events, 0)
    }

    /// Returns a recorder after others have made `first` records.
    fn after(events: usize, first: u64) -> World {
        let (ticks, places) = (Arc::new(AtomicU64::new(1_000)), Rc::new(Places::default()));
        let recorder = Recorder::with_clock(events, places.clone(), Clock::fake(&ticks), first);
        World {
            ticks,
            places,
            recorder: recorder.expect("memory"),
        }
    }

    fn now(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    fn pass(&self, nanos: u64) {
        self.ticks.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Returns a job of a task, 0 for none. The function is called `name`.
    fn subject(&self, task: u32, name: &str) -> Subject {
        let place = Place {
            file: "program.py".into(),
            line: 7,
            function: name.into(),
        };
        Subject {
            task,
            place: self.places.by_value(place),
            priority: Priority::NORMAL,
            kind: JobKind::Callback,
        }
    }

    /// Runs a job for a number of nanoseconds.
    fn run(&self, mark: u32, subject: Subject, nanos: u64) {
        self.recorder.begins(mark, subject);
        self.pass(nanos);
        self.recorder.ends();
    }

    /// Returns the trace, which is checked.
    fn trace(&self) -> Value {
        let mut text = Vec::new();
        self.recorder.write(&mut text).expect("a vector grows");
        let trace = serde_json::from_slice(&text).expect("JSON");
        check::check(&trace);
        trace
    }
}

/// Returns the events of a trace.
fn events(trace: &Value) -> &[Value] {
    trace["traceEvents"].as_array().expect("a list")
}
