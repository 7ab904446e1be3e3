//! Tests that jobs, timers and descriptors run in asyncio's order, and never early.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use qtloop::core::{Direction, Time};

use crate::trials;
use crate::world::{World, job};

trials![
    jobs_run_in_the_order_they_were_queued,
    job_queued_by_a_job_runs_after_waiting_jobs,
    timers_run_by_deadline_and_then_in_order_of_setting,
    timers_are_never_early,
    cancelled_timer_does_not_run,
    timer_set_while_idle_wakes_the_loop,
    timer_at_never_does_not_affect_other_timers,
    earlier_timer_fires_before_the_armed_one,
    readable_descriptor_runs_its_job_until_it_is_read,
    writable_descriptor_runs_its_job,
];

fn jobs_run_in_the_order_they_were_queued() {
    let world = World::new();
    for word in ["a", "b", "c"] {
        world.soon(move |world| world.write(word));
    }
    world.soon(World::stop);
    world.run();
    assert_eq!(world.read(), ["a", "b", "c"]);
}

fn job_queued_by_a_job_runs_after_waiting_jobs() {
    let world = World::new();
    world.soon(|world| {
        world.write("a");
        world.soon(|world| {
            world.write("c");
            world.stop();
        });
    });
    world.soon(|world| world.write("b"));
    world.run();
    assert_eq!(world.read(), ["a", "b", "c"]);
}

fn timers_run_by_deadline_and_then_in_order_of_setting() {
    let world = World::new();
    let now = Time::now();
    for (microseconds, word) in [(900, "c"), (300, "a"), (600, "b"), (900, "d"), (1200, "e")] {
        let when = now + Duration::from_micros(microseconds);
        world.driver.push_at(
            when,
            job(move |world| {
                world.write(word);
                if word == "e" {
                    world.stop();
                }
            }),
        );
    }
    world.run();
    assert_eq!(world.read(), ["a", "b", "c", "d", "e"]);
}

fn timers_are_never_early() {
    let world = World::new();
    let left = Rc::new(Cell::new(200_u64));
    for index in 0..200 {
        let due = Time::now() + Duration::from_micros(100 + index * 37);
        let left = Rc::clone(&left);
        world.driver.push_at(
            due,
            job(move |world| {
                let now = Time::now();
                assert!(now >= due, "due at {due:?}, ran at {now:?}");
                left.set(left.get() - 1);
                if left.get() == 0 {
                    world.stop();
                }
            }),
        );
    }
    world.run();
    assert_eq!(left.get(), 0);
}

fn cancelled_timer_does_not_run() {
    let world = World::new();
    let key = world
        .driver
        .push_at(Time::now(), job(|world| world.write("cancelled")));
    assert!(world.driver.cancel(key).is_some());
    world.after(Duration::from_millis(2), World::stop);
    world.run();
    assert!(world.read().is_empty());
}

fn timer_set_while_idle_wakes_the_loop() {
    let world = World::new();
    world.after(Duration::from_millis(5), |world| {
        world.after(Duration::from_millis(5), World::stop);
    });
    world.run();
}

fn timer_at_never_does_not_affect_other_timers() {
    let world = World::new();
    world
        .driver
        .push_at(Time::NEVER, job(|_| panic!("never is never")));
    world.after(Duration::from_millis(2), World::stop);
    world.run();
}

fn earlier_timer_fires_before_the_armed_one() {
    let world = World::new();
    world.after(Duration::from_secs(20), |world| world.write("late"));
    world.after(Duration::from_millis(1), |world| {
        world.after(Duration::from_millis(1), World::stop);
    });
    world.run();
    assert!(world.read().is_empty());
}

fn readable_descriptor_runs_its_job_until_it_is_read() {
    let world = World::new();
    let (near, mut far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    let calls = Rc::new(Cell::new(0));
    let seen = Rc::clone(&calls);
    let reader = job(move |world| {
        seen.set(seen.get() + 1);
        let mut byte = [0];
        (&near).read_exact(&mut byte).expect("a byte");
        if byte == *b"c" {
            world.stop();
        }
        world.driver.rearm(fd, Direction::Read, |_| true);
    });
    world
        .driver
        .watch(fd, Direction::Read, reader)
        .expect("watch");
    far.write_all(b"abc").expect("write");
    world.run();
    assert_eq!(calls.get(), 3, "one byte a call");
    assert!(
        world
            .driver
            .unwatch(fd, Direction::Read, |_| true)
            .is_some()
    );
}

fn writable_descriptor_runs_its_job() {
    let world = World::new();
    let (near, _far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    world
        .driver
        .watch(fd, Direction::Write, job(World::stop))
        .expect("watch");
    world.run();
    drop(world.driver.unwatch(fd, Direction::Write, |_| true));
}
