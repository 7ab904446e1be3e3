//! Tests of the trace's content.

use super::*;

/// Returns the name, the begin and the duration of each span.
fn spans(trace: &Value) -> Vec<(&str, f64, f64)> {
    let spans = events(trace).iter().filter(|event| event["ph"] == "X");
    spans
        .map(|event| {
            let number = |key: &str| event[key].as_f64().expect("a number");
            let name = event["name"].as_str().expect("a name");
            (name, number("ts"), number("dur"))
        })
        .collect()
}

fn named<'a>(trace: &'a Value, name: &str) -> &'a Value {
    let mut all = events(trace).iter();
    all.find(|event| event["name"] == name)
        .expect("an event of this name")
}

fn count(trace: &Value, letter: &str) -> usize {
    let all = events(trace).iter();
    all.filter(|event| event["ph"] == letter).count()
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
    let two = named(&trace, "two");
    assert_eq!(two["args"]["latency_us"], 2.0);
    assert_eq!(two["args"]["at"], "program.py:7");
    assert_eq!(two["args"]["priority"], 0);
    assert_eq!(two["cat"], "callback");
    assert_eq!((count(&trace, "s"), count(&trace, "f")), (1, 1));
    assert_eq!(named(&trace, "queued")["ts"], 1.0);
}

#[test]
fn timer_is_late_from_its_poll_on_and_has_an_arrow_from_its_setting() {
    let world = World::new(10);
    let (setter, timer) = (world.subject(1, "setter"), world.subject(2, "timer"));
    let recorder = &world.recorder;
    recorder.begins(0, setter);
    world.pass(1_000);
    let mark = recorder.timer_set(timer);
    recorder.ends();
    world.pass(10_000);
    recorder.turn_begins(1);
    assert_eq!(recorder.collected(mark, timer), mark);
    recorder.poll_begins(Duration::ZERO);
    world.pass(500);
    recorder.poll_ends();
    world.run(mark, timer, 100);
    recorder.turn_ends();
    let trace = world.trace();
    assert_eq!(named(&trace, "timer")["args"]["latency_us"], 0.5);
    assert_eq!(named(&trace, "queued")["ts"], 1.0);
    assert_eq!(count(&trace, "f"), 1);
}

#[test]
fn descriptor_has_no_arrow() {
    let world = World::new(10);
    let reader = world.subject(0, "reader");
    world.recorder.begins(0, world.subject(0, "polls"));
    let mark = world.recorder.collected(0, reader);
    world.recorder.ends();
    world.run(mark, reader, 10);
    let trace = world.trace();
    assert_eq!(named(&trace, "reader")["args"]["latency_us"], 0.0);
    assert_eq!(count(&trace, "s"), 0);
}

#[test]
fn job_that_was_queued_before_the_recording_has_no_latency() {
    let world = World::new(10);
    world.run(77, world.subject(0, "old"), 10);
    let trace = world.trace();
    assert!(named(&trace, "old")["args"].get("latency_us").is_none());
}

#[test]
fn job_that_began_before_the_recording_ends_without_a_record() {
    let world = World::new(10);
    world.recorder.ends();
    world.recorder.turn_ends();
    world.recorder.poll_ends();
    assert_eq!(world.recorder.events(), 0);
}

#[test]
fn mark_of_an_earlier_recording_is_not_taken_for_a_new_one() {
    let places = Rc::new(Places::default());
    let first = Recorder::new(100, places.clone()).expect("memory");
    let marks: Vec<_> = (0..50).map(|_| first.queued(Subject::default())).collect();
    first.stop();
    let second = Recorder::new(100, places).expect("memory");
    for _ in 0..50 {
        second.queued(Subject::default());
    }
    for mark in &marks {
        second.begins(*mark, Subject::default());
        second.ends();
    }
    assert_eq!(second.events(), 100); // each job that has begun has a new record
}

#[test]
fn qt_event_ends_with_the_next_one_or_with_a_turn_or_a_wait() {
    let world = World::new(10);
    let recorder = &world.recorder;
    recorder.qt_event("QWidget", 12);
    world.pass(5_000);
    recorder.qt_event("Window", 1_001);
    world.pass(1_000);
    recorder.turn_begins(1);
    world.pass(1_000);
    recorder.turn_ends();
    recorder.qt_event("QTimer", 1);
    world.pass(2_000);
    recorder.qt_blocks();
    world.pass(1_000_000);
    let expected = [
        ("QWidget: Paint", 0.0, 5.0),
        ("Window: User + 1", 5.0, 1.0),
        ("turn", 6.0, 1.0),
        ("QTimer: Timer", 7.0, 2.0),
    ];
    assert_eq!(spans(&world.trace()), expected);
}

#[test]
fn spans_that_have_not_ended_end_now() {
    let world = World::new(10);
    world.recorder.turn_begins(1);
    world.recorder.begins(0, world.subject(1, "saves"));
    world.pass(4_000);
    world.recorder.qt_event("QWidget", 12);
    world.pass(1_000);
    let expected = [
        ("turn", 0.0, 5.0),
        ("saves", 0.0, 5.0),
        ("QWidget: Paint", 4.0, 1.0),
    ];
    assert_eq!(spans(&world.trace()), expected);
    world.recorder.stop();
    world.pass(1_000);
    assert_eq!(spans(&world.trace()), expected);
    assert_eq!(world.recorder.duration().as_nanos(), 5_000);
}

#[test]
fn nested_turn_is_inside_the_job_that_runs_a_qt_event_loop() {
    let world = World::new(10);
    let (dialog, other) = (world.subject(0, "dialog"), world.subject(0, "other"));
    let recorder = &world.recorder;
    recorder.turn_begins(1);
    recorder.begins(0, dialog);
    world.pass(1_000);
    recorder.turn_begins(2);
    world.run(0, other, 1_000);
    recorder.poll_begins(Duration::from_micros(100));
    world.pass(1_000);
    recorder.poll_ends();
    recorder.turn_ends();
    recorder.ends();
    recorder.turn_ends();
    let expected = [
        ("turn", 0.0, 3.0),
        ("dialog", 0.0, 3.0),
        ("turn", 1.0, 2.0),
        ("other", 1.0, 1.0),
        ("linger", 2.0, 1.0),
    ];
    let trace = world.trace();
    assert_eq!(spans(&trace), expected);
    assert_eq!(named(&trace, "linger")["args"]["timeout_us"], 100.0);
}

#[test]
fn running_job_whose_record_was_overwritten_is_recorded_at_its_end() {
    let world = World::new(4);
    let (long, short) = (world.subject(1, "long"), world.subject(2, "short"));
    let mark = world.recorder.queued(long);
    world.recorder.begins(mark, long);
    for _ in 0..10 {
        world.run(0, short, 1_000);
    }
    world.recorder.ends();
    let trace = world.trace();
    let long = ("long", 0.0, 10.0);
    assert!(spans(&trace).contains(&long));
    assert_eq!(world.recorder.dropped(), 8);
    assert_eq!(trace["otherData"]["dropped_events"], 8);
    assert_eq!(trace["otherData"]["events"], 4);
}

#[test]
fn begin_and_end_of_a_task_are_instants_of_its_track() {
    let world = World::new(10);
    let place = world.subject(0, "load").place;
    world.recorder.task_created(3, "", place, 0);
    world.recorder.task_created(4, "child \"two\"", place, 3);
    world.run(0, world.subject(4, "load"), 10);
    world.recorder.task_finished(4);
    let trace = world.trace();
    let created: Vec<_> = events(&trace)
        .iter()
        .filter(|event| event["ph"] == "i")
        .collect();
    let places: Vec<_> = created
        .iter()
        .map(|event| (&event["name"], &event["tid"]))
        .collect();
    assert_eq!(places[0], (&Value::from("created"), &Value::from(5)));
    assert_eq!(places[1], (&Value::from("created"), &Value::from(6)));
    assert_eq!(places[2], (&Value::from("finished"), &Value::from(6)));
    assert_eq!(created[1]["args"]["parent"], "load (3)");
    let tracks = events(&trace)
        .iter()
        .filter(|event| event["name"] == "thread_name");
    let names: Vec<_> = tracks.map(|event| event["args"]["name"].as_str()).collect();
    let expected = ["Qt", "Loop", "load (3)", "child \"two\""].map(Some);
    assert_eq!(names, expected);
}
