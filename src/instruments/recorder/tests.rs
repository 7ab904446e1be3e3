//! Tests of the recorder, with a clock that stands still until it is advanced.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::reactor::Priority;

/// A recorder and its clock.
struct World {
    ticks: Rc<Cell<u64>>,
    places: Rc<Places>,
    recorder: Recorder,
}

impl World {
    fn new(events: usize) -> World {
        let (ticks, places) = (Rc::new(Cell::new(1_000)), Rc::new(Places::default()));
        let recorder = Recorder::with_clock(events, places.clone(), Clock::fake(&ticks));
        World {
            ticks,
            places,
            recorder: recorder.expect("memory"),
        }
    }

    fn pass(&self, nanos: u64) {
        self.ticks.set(self.ticks.get() + nanos);
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

    fn trace(&self) -> Vec<Value> {
        let mut text = Vec::new();
        self.recorder.write(&mut text).expect("a vector grows");
        let trace: Value = serde_json::from_slice(&text).expect("JSON");
        trace["traceEvents"].as_array().expect("a list").clone()
    }
}

fn spans(trace: &[Value]) -> Vec<(&str, f64, f64)> {
    let spans = trace.iter().filter(|event| event["ph"] == "X");
    spans
        .map(|event| {
            let number = |key: &str| event[key].as_f64().expect("a number");
            (
                event["name"].as_str().expect("a name"),
                number("ts"),
                number("dur"),
            )
        })
        .collect()
}

#[test]
fn job_is_recorded_from_queued_to_ended() {
    let world = World::new(10);
    let (one, two) = (world.subject(1, "one"), world.subject(0, "two"));
    world.pass(1_000);
    world.recorder.begins(0, one);
    let mark = world.recorder.queued(two);
    world.pass(2_000);
    world.recorder.ends();
    world.run(mark, two, 3_000);
    let trace = world.trace();
    assert_eq!(spans(&trace), [("one", 1.0, 2.0), ("two", 3.0, 3.0)]);
    let second = trace
        .iter()
        .find(|event| event["name"] == "two")
        .expect("it ran");
    assert_eq!(second["args"]["latency_us"], 2.0);
    assert_eq!(second["args"]["at"], "program.py:7");
}

#[test]
fn number_of_events_must_be_possible() {
    for events in [0, (1 << 31) + 1, usize::MAX] {
        let places = Rc::new(Places::default());
        let error = Recorder::new(events, places).expect_err("no ring");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(
            error
                .to_string()
                .contains("give a number from 1 to 2147483648")
        );
    }
}

#[test]
fn top_excludes_nested_turns_and_waits() {
    let world = World::new(100);
    let (dialog, other) = (world.subject(1, "dialog"), world.subject(2, "other"));
    let recorder = &world.recorder;
    recorder.begins(0, dialog);
    world.pass(10_000);
    recorder.qt_blocks();
    world.pass(1_000_000);
    recorder.turn_begins(2);
    world.run(0, other, 50_000);
    recorder.turn_ends();
    world.pass(5_000);
    recorder.ends();
    let top = recorder.top(10, Order::Total);
    let times: Vec<_> = top
        .iter()
        .map(|times| (&*times.place.function, times.total))
        .collect();
    let expected = [
        ("other", Duration::from_micros(50)),
        ("dialog", Duration::from_micros(15)),
    ];
    assert_eq!(times, expected);
}

#[test]
fn names_of_finished_tasks_are_forgotten_with_their_records() {
    let world = World::new(100);
    for number in 1..=10_000 {
        let place = PlaceId::UNKNOWN;
        world.recorder.task_created(number, "short", place, 0);
        world.run(0, world.subject(number, "step"), 1);
        world.recorder.task_finished(number);
    }
    assert!(world.recorder.state.borrow().tasks.len() <= 102);
    let trace = world.trace();
    let tracks = trace.iter().filter(|event| event["name"] == "thread_name");
    let named = tracks.filter(|event| event["args"]["name"] == "short");
    assert_eq!(named.count(), 34); // the oldest has its last record only
}
