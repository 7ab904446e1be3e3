//! Tests of the times per place.

use super::*;

const MICRO: u64 = 1_000;

fn totals(top: &[PlaceTimes]) -> Vec<(&str, u128)> {
    let entries = top.iter();
    entries
        .map(|times| (&*times.place.function, times.total.as_micros()))
        .collect()
}

#[test]
fn top_excludes_nested_turns_and_waits() {
    let world = World::new(100);
    let (dialog, other) = (world.subject(1, "dialog"), world.subject(2, "other"));
    let recorder = &world.recorder;
    recorder.begins(0, dialog);
    world.pass(10 * MICRO);
    recorder.qt_blocks();
    world.pass(1_000 * MICRO);
    recorder.turn_begins(2);
    world.run(0, other, 50 * MICRO);
    recorder.turn_ends();
    world.pass(5 * MICRO);
    recorder.ends();
    let top = recorder.top(10, Order::Total);
    assert_eq!(totals(&top), [("other", 50), ("dialog", 15)]);
}

#[test]
fn top_counts_jobs_that_are_no_longer_in_the_ring() {
    let world = World::new(2);
    let (often, slow) = (world.subject(1, "often"), world.subject(2, "slow"));
    world.run(0, slow, 40 * MICRO);
    for _ in 0..100 {
        world.run(0, often, MICRO);
    }
    let recorder = &world.recorder;
    assert_eq!(
        totals(&recorder.top(10, Order::Total)),
        [("often", 100), ("slow", 40)]
    );
    assert_eq!(
        totals(&recorder.top(10, Order::Worst)),
        [("slow", 40), ("often", 100)]
    );
    assert_eq!(totals(&recorder.top(1, Order::Worst)), [("slow", 40)]);
    let often = &recorder.top(1, Order::Total)[0];
    assert_eq!((often.count, often.worst.as_micros()), (100, 1));
}

#[test]
fn quantiles_are_exact_to_one_percent() {
    let world = World::new(10);
    let job = world.subject(1, "job");
    for micros in 1..=1_000 {
        let mark = world.recorder.queued(job);
        world.pass(2 * micros * MICRO);
        world.run(mark, job, micros * MICRO);
    }
    let times = &world.recorder.top(1, Order::Total)[0];
    let is_near = |time: Duration, micros: u64| {
        let difference = time.abs_diff(Duration::from_micros(micros));
        assert!(
            difference <= Duration::from_micros(micros) / 100,
            "{time:?} for {micros} µs"
        );
    };
    let run = times.run.expect("a histogram");
    is_near(run.p50, 500);
    is_near(run.p90, 900);
    is_near(run.p99, 990);
    let latency = times.latency.expect("a histogram");
    is_near(latency.p50, 1_000);
    is_near(latency.p99, 1_980);
    assert_eq!(times.worst, Duration::from_millis(1));
    assert_eq!(times.worst_latency, Duration::from_millis(2));
    let all: u64 = (1..=1_000).map(|micros| 3 * micros).sum();
    assert_eq!(times.worst_at, Duration::from_micros(all - 1_000));
}

#[test]
fn latency_that_is_unknown_has_no_quantiles() {
    let world = World::new(10);
    world.run(0, world.subject(1, "job"), MICRO);
    let times = &world.recorder.top(1, Order::Total)[0];
    assert_eq!((times.latency, times.worst_latency), (None, Duration::ZERO));
    assert!(times.run.is_some());
}

#[test]
fn time_outside_of_the_range_of_a_histogram_is_counted() {
    let world = World::new(10);
    let hour = 3_600_000_000 * MICRO;
    for nanos in [1, hour] {
        world.run(0, world.subject(1, "job"), nanos);
    }
    let times = &world.recorder.top(1, Order::Total)[0];
    assert_eq!(times.worst, Duration::from_secs(3_600));
    assert_eq!(times.total, Duration::from_nanos(hour + 1));
    let run = times.run.expect("a histogram");
    assert!(run.p50 < Duration::from_micros(2));
    assert!(run.p99 > Duration::from_secs(120));
}

#[test]
fn places_beyond_the_limit_have_no_histograms() {
    let world = World::new(10);
    for number in 0..600 {
        world.run(
            0,
            world.subject(0, &format!("job {number}")),
            1_000 - number,
        );
    }
    let top = world.recorder.top(usize::MAX, Order::Worst);
    assert_eq!(top.len(), 600);
    assert_eq!(top.iter().filter(|times| times.run.is_some()).count(), 512);
    assert!(top.iter().all(|times| times.count == 1));
}

#[test]
fn recording_has_the_times_of_the_monotonic_clock() {
    let before = crate::reactor::Time::now();
    let recorder = Recorder::new(10, Rc::new(Places::default())).expect("memory");
    recorder.begins(0, Subject::default());
    while recorder.duration() < Duration::from_millis(30) {}
    recorder.ends();
    recorder.stop();
    let most = crate::reactor::Time::now().after(before).expect("a time");
    let times = &recorder.top(1, Order::Total)[0];
    assert!(times.total >= Duration::from_millis(29), "{times:?}");
    assert!(times.total <= most, "{times:?} in {most:?}");
}
