//! The counts and times that a driver has without an observer.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use qtloop::core::{Direction, NestedLoop, Priority, Time};

use crate::trials;
use crate::turns::qt_timer;
use crate::world::{LIMIT, World, job, job_of};

trials![
    waiting_jobs_timers_and_descriptors_are_counted,
    turns_jobs_and_polls_are_counted,
    turn_that_an_event_begins_is_a_wakeup,
    turns_of_one_batch_are_counted,
    time_of_a_slow_job_is_that_of_its_turn,
    time_in_a_qt_loop_of_a_job_is_not_that_of_its_turn,
    lateness_of_timers_is_counted_for_each_priority,
];

fn waiting_jobs_timers_and_descriptors_are_counted() {
    let world = World::new();
    let (near, _far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    for direction in [Direction::Read, Direction::Write] {
        let watched = world.driver.watch(fd, direction, job(|_| ()));
        watched.expect("watch");
    }
    world.soon_at(Priority::LOW, |_| ());
    world.soon(|_| ());
    world.soon(|_| ());
    world.after(LIMIT, |_| ());
    let cancelled = world.driver.push_at(Time::now() + LIMIT, job(|_| ()));
    drop(world.driver.cancel(cancelled));
    let stats = world.driver.stats();
    let ready = [(Priority::NORMAL, 2), (Priority::LOW, 1)];
    assert_eq!(stats.ready, ready);
    assert_eq!((stats.timers, stats.watches, stats.jobs), (1, 1, 0));
    drop(world.driver.drain());
    let stats = world.driver.stats();
    assert_eq!((stats.timers, stats.watches), (0, 0));
    assert!(stats.ready.is_empty());
}

fn turns_jobs_and_polls_are_counted() {
    let world = World::new();
    world.driver.set_budget(LIMIT);
    world.soon(|_| ());
    world.soon(World::stop);
    world.run();
    let stats = world.driver.stats();
    assert_eq!((stats.turns, stats.jobs), (1, 2));
    assert!(stats.polls >= 1); // a slow turn polls more often
    assert_eq!((stats.wakeups, stats.lingers, stats.linger_hits), (0, 0, 0));
    assert!(stats.in_turns >= stats.longest_turn);
}

fn turn_that_an_event_begins_is_a_wakeup() {
    let world = World::new();
    world.driver.set_budget(LIMIT);
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    let read = job(move |world| {
        (&near).read_exact(&mut [0]).expect("read");
        world.stop();
    });
    let watched = world.driver.watch(fd, Direction::Read, read);
    watched.expect("watch");
    // A timer of Qt, not of the driver: the byte comes when the first turn has returned to Qt.
    let timer = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&timer);
    let far = Rc::new(far);
    world.soon(move |_| {
        let far = Rc::clone(&far);
        let timer = qt_timer(Duration::ZERO, move |_| {
            (&*far).write_all(&[1]).expect("write");
        });
        kept.replace(Some(timer));
    });
    world.run();
    let stats = world.driver.stats();
    assert_eq!((stats.wakeups, stats.turns), (1, 2));
    drop(world.driver.drain());
}

fn turns_of_one_batch_are_counted() {
    let world = World::new();
    world.soon(|_| ());
    for job in world.driver.batch() {
        job.run(&world);
        spin(Duration::from_millis(2));
    }
    let stats = world.driver.stats();
    assert_eq!((stats.turns, stats.jobs, stats.polls), (1, 1, 0));
    assert!(stats.longest_turn >= Duration::from_millis(2));
}

fn spin(time: Duration) {
    let end = Time::now() + time;
    while Time::now() < end {}
}

fn time_of_a_slow_job_is_that_of_its_turn() {
    let world = World::new();
    world.soon(|_| spin(Duration::from_millis(5)));
    world.soon(World::stop);
    world.run();
    let stats = world.driver.stats();
    assert!(stats.longest_turn >= Duration::from_millis(5));
    assert!(stats.longest_turn < LIMIT);
    assert!(stats.in_turns >= stats.longest_turn);
}

fn time_in_a_qt_loop_of_a_job_is_not_that_of_its_turn() {
    const WAIT: Duration = Duration::from_secs(2);
    let world = World::new();
    let count = Rc::new(Cell::new(0));
    let turns_inside = Rc::clone(&count);
    world.soon(move |world| {
        spin(Duration::from_millis(3));
        let nested_loop = Rc::new(NestedLoop::new());
        let exited = Rc::clone(&nested_loop);
        world.after(WAIT, move |_| exited.exit(0));
        let before = world.driver.stats().turns;
        nested_loop.exec_until_exit();
        turns_inside.set(world.driver.stats().turns - before);
    });
    world.soon(|_| ());
    world.after(WAIT + Duration::from_millis(1), World::stop);
    let began = Time::now();
    world.run();
    assert!(Time::now() >= began + WAIT);
    assert!(count.get() >= 2, "{} turns inside the job", count.get());
    let stats = world.driver.stats();
    assert!(stats.in_turns >= Duration::from_millis(3));
    assert!(stats.in_turns < WAIT, "{:?}", stats.in_turns);
}

fn lateness_of_timers_is_counted_for_each_priority() {
    let world = World::new();
    let now = Time::now();
    let ago = |milliseconds: i64| Time::from_nanos(now.as_nanos() - milliseconds * 1_000_000);
    let low = job_of(Priority::LOW, World::stop);
    world.driver.push_at(ago(100), low);
    world.driver.push_at(ago(10), job(|_| ()));
    let cancelled = world.driver.push_at(ago(1_000_000), job(|_| ()));
    drop(world.driver.cancel(cancelled));
    world.run();
    let fired = world.driver.stats().fired;
    assert_eq!(fired.count, 2);
    assert!(fired.max_lateness >= Duration::from_millis(100));
    assert!(fired.lateness >= Duration::from_millis(110));
    assert!(fired.lateness < LIMIT);
}
