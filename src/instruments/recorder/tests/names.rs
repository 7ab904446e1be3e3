//! Tests of the tables beside the ring: tasks, classes and places.

use super::*;

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
    let all = events(&trace).iter();
    let tracks = all.filter(|event| event["name"] == "thread_name");
    let named = tracks.filter(|event| event["args"]["name"] == "short");
    assert_eq!(named.count(), 34); // of the oldest one, only the last record is left
}

#[test]
fn task_that_lives_keeps_its_name_and_its_new_name() {
    let world = World::new(10);
    world.recorder.name_task(1, "before", PlaceId::UNKNOWN);
    world.recorder.name_task(1, "after", PlaceId::UNKNOWN);
    for _ in 0..100 {
        world.run(0, world.subject(1, "step"), 1);
    }
    let trace = world.trace();
    let is_named = |event: &Value| event["args"]["name"] == "after";
    assert!(events(&trace).iter().any(is_named));
}

#[test]
fn classes_beyond_the_limit_are_one_class() {
    let world = World::new(10_000);
    for number in 0..10_000 {
        world.recorder.qt_event(&format!("Class{number}"), 1);
    }
    let trace = world.trace();
    let others = events(&trace)
        .iter()
        .filter(|event| event["name"] == "(other class): Timer");
    assert_eq!(others.count(), 10_000 - 4_095);
}

#[test]
fn place_is_made_once_per_key_and_stored_once_per_value() {
    let places = Places::default();
    let make = || Place {
        file: "program.py".into(),
        line: 3,
        function: "main".into(),
    };
    let first = places.intern(0x1000, make);
    assert_eq!(places.intern(0x1000, || unreachable!("it is known")), first);
    assert_eq!(places.intern(0x2000, make), first);
    assert_eq!(places.by_value(make()), first);
    assert_eq!(places.get(first), make());
    assert_ne!(first, PlaceId::UNKNOWN);
}

#[test]
fn place_may_be_made_by_code_that_uses_the_table() {
    let places = Places::default();
    let place = |line| Place {
        file: "program.py".into(),
        line,
        function: "main".into(),
    };
    let outer = places.intern(1, || {
        places.intern(2, || place(2));
        place(1)
    });
    assert_eq!(places.get(outer).line, 1);
}

#[test]
fn places_beyond_the_limit_are_other_code() {
    let places = Places::default();
    for line in 0..70_000 {
        let make = || Place {
            file: "<string>".into(),
            line,
            function: "f".into(),
        };
        places.intern(line as usize, make);
    }
    let new = places.intern(70_001, || unreachable!("the table is full"));
    assert_eq!(new, PlaceId::OTHER);
    assert_eq!(&*places.get(new).function, "(other code)");
}
