//! Tests that turns let Qt process its events, and that they run inside nested Qt loops of jobs.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use qtloop::core::{Direction, Time};
use qtloop::core::{Host, NestedLoop};

use crate::trials;
use crate::world::{World, job};

trials![
    job_that_queues_itself_does_not_starve_qt,
    turn_runs_many_batches,
    budget_of_zero_runs_one_batch_per_turn,
    batch_of_slow_jobs_is_cut_by_the_budget,
    rest_of_a_batch_runs_before_jobs_of_descriptors,
    batches_longer_than_a_turn_do_not_starve_descriptors,
    qt_timer_due_during_a_turn_fires_before_the_next_turn,
    jobs_run_inside_a_qt_loop_of_a_job,
    jobs_run_in_two_nested_loops,
    job_queued_from_qt_inside_a_nested_loop_runs_there,
    timer_fires_inside_a_nested_loop,
    nested_loop_opened_by_a_timer_gets_turns,
    nested_loop_exited_before_exec_returns_at_once,
];

/// Queues itself repeatedly, and counts.
fn spin(world: &World, count: &Rc<Cell<u64>>) {
    count.set(count.get() + 1);
    let count = Rc::clone(count);
    world.soon(move |world| spin(world, &count));
}

/// A Qt timer besides the driver's: it calls `fired` with the number of times it has fired.
pub(crate) fn qt_timer(delay: Duration, fired: impl Fn(u32) + 'static) -> (Host, UnixStream) {
    // A host needs a descriptor; nothing is ever written to this one while its peer is kept.
    let (quiet, peer) = UnixStream::pair().expect("a socket pair");
    let count = Cell::new(0);
    let host = Host::new(quiet.into(), move || {
        count.set(count.get() + 1);
        fired(count.get());
    });
    host.arm(Some(delay));
    (host, peer)
}

fn job_that_queues_itself_does_not_starve_qt() {
    let world = World::new();
    let spun = Rc::new(Cell::new(0));
    spin(&world, &spun);
    let driver = Rc::clone(&world.driver);
    let _timer = qt_timer(Duration::from_millis(1), move |count| {
        if count == 20 {
            driver.stop();
        }
    });
    world.run();
    assert!(spun.get() > 20);
}

fn turn_runs_many_batches() {
    let world = World::new();
    world.driver.set_budget(Duration::from_secs(10));
    chain(&world, 1000);
    let fired = Rc::new(Cell::new(0));
    let seen = Rc::clone(&fired);
    let _timer = qt_timer(Duration::ZERO, move |count| seen.set(count));
    world.run();
    assert!(
        fired.get() <= 2,
        "Qt's own 0 ms timer came {} times",
        fired.get()
    );
}

fn budget_of_zero_runs_one_batch_per_turn() {
    let world = World::new();
    world.driver.set_budget(Duration::ZERO);
    chain(&world, 200);
    let fired = Rc::new(Cell::new(0));
    let seen = Rc::clone(&fired);
    let _timer = qt_timer(Duration::ZERO, move |count| seen.set(count));
    world.run();
    assert!(
        fired.get() >= 100,
        "Qt's own 0 ms timer came {} times",
        fired.get()
    );
}

fn batch_of_slow_jobs_is_cut_by_the_budget() {
    let world = World::new();
    for number in 0..60 {
        world.soon(move |world| {
            let end = Time::now() + Duration::from_millis(1);
            while Time::now() < end {}
            world.write(number.to_string());
        });
    }
    let (seen, reader) = (Rc::new(Cell::new(0)), world.clone());
    let counts = Rc::clone(&seen);
    let _timer = qt_timer(Duration::ZERO, move |_| {
        counts.set(counts.get() + 1);
        if reader.written() == 60 {
            reader.stop();
        }
    });
    world.run();
    assert!(seen.get() >= 15, "Qt had {} turns", seen.get());
    let numbers: Vec<_> = (0..60).map(|number: u32| number.to_string()).collect();
    assert_eq!(world.read(), numbers);
}

fn batches_longer_than_a_turn_do_not_starve_descriptors() {
    const JOBS: u32 = 3000;
    const LIMIT: u32 = 5 * JOBS;
    /// Takes a microsecond, and queues itself again.
    fn repeat(world: &World, count: &Rc<Cell<u32>>) {
        let end = Time::now() + Duration::from_micros(1);
        while Time::now() < end {}
        count.set(count.get() + 1);
        if count.get() == LIMIT {
            world.stop();
        }
        let count = Rc::clone(count);
        world.soon(move |world| repeat(world, &count));
    }
    let world = World::new();
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    let reader = job(World::stop);
    world
        .driver
        .watch(fd, Direction::Read, reader)
        .expect("watch");
    let count: Rc<Cell<u32>> = Rc::default();
    for _ in 0..JOBS {
        let count = Rc::clone(&count);
        world.soon(move |world| repeat(world, &count));
    }
    // After the poll at the beginning of the first turn.
    world.soon(move |_| (&far).write_all(b"x").expect("write"));
    world.run();
    // The descriptor is polled at the end of the batch of the write, and its job is then behind one
    // more batch.
    assert!(count.get() < LIMIT, "the descriptor was not polled");
}

fn rest_of_a_batch_runs_before_jobs_of_descriptors() {
    let world = World::new();
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    let reader = job(|world| {
        world.write("descriptor");
        world.stop();
    });
    world
        .driver
        .watch(fd, Direction::Read, reader)
        .expect("watch");
    world.soon(move |world| {
        // The turn's budget is spent, and a descriptor is ready.
        (&far).write_all(b"x").expect("write");
        let end = Time::now() + Duration::from_millis(3);
        while Time::now() < end {}
        world.write("slow");
    });
    world.soon(|world| {
        world.write("rest");
        world.soon(|world| world.write("what the rest has queued"));
    });
    world.run();
    let expected = ["slow", "rest", "what the rest has queued", "descriptor"];
    assert_eq!(world.read(), expected);
    drop(world.driver.unwatch(fd, Direction::Read, |_| true));
}

fn qt_timer_due_during_a_turn_fires_before_the_next_turn() {
    let world = World::new();
    world.driver.set_budget(Duration::ZERO);
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    let reader = job(|world| world.write("descriptor"));
    world
        .driver
        .watch(fd, Direction::Read, reader)
        .expect("watch");
    let timers = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&timers);
    // The host's timer calls the second turn, and in the same pass of Qt the notifier is active,
    // too.
    world.soon(move |world| {
        (&far).write_all(b"x").expect("write");
        let kept = Rc::clone(&kept);
        world.soon(move |world| {
            let slot = world.clone();
            let timer = qt_timer(Duration::from_millis(1), move |count| {
                if count == 1 {
                    slot.write("timer of Qt");
                }
            });
            kept.borrow_mut().push(timer);
            world.soon(|world| world.write("job"));
            thread::sleep(Duration::from_millis(3));
        });
    });
    world.after(Duration::from_millis(30), World::stop);
    world.run();
    assert_eq!(world.read(), ["descriptor", "timer of Qt", "job"]);
    assert_eq!(timers.borrow().len(), 1);
    drop(world.driver.unwatch(fd, Direction::Read, |_| true));
}

/// A chain of batches of one job each, which ends with a stop.
fn chain(world: &World, links: u32) {
    world.soon(move |world| match links {
        0 => world.stop(),
        _ => chain(world, links - 1),
    });
}

/// Runs a nested Qt loop inside the current job, until something exits it.
fn nested(world: &World, name: &'static str, leave_after: Duration) {
    let nested_loop = Rc::new(NestedLoop::new());
    let left = Rc::clone(&nested_loop);
    world.after(leave_after, move |_| left.exit(0));
    world.write(format!("{name} opens"));
    let _ = nested_loop.exec_until_exit();
    world.write(format!("{name} closes"));
}

fn jobs_run_inside_a_qt_loop_of_a_job() {
    let world = World::new();
    world.soon(|world| nested(world, "dialog", Duration::from_millis(2)));
    world.soon(|world| world.write("another"));
    world.after(Duration::from_millis(1), |world| world.write("timer"));
    world.after(Duration::from_millis(20), World::stop);
    world.run();
    assert_eq!(
        world.read(),
        ["dialog opens", "another", "timer", "dialog closes"]
    );
}

fn jobs_run_in_two_nested_loops() {
    let world = World::new();
    world.soon(|world| nested(world, "outer", Duration::from_millis(20)));
    world.soon(|world| {
        assert_eq!(world.driver.depth(), 2);
        nested(world, "inner", Duration::from_millis(2));
    });
    world.soon(|world| {
        assert_eq!(world.driver.depth(), 3);
        world.write("innermost");
    });
    world.after(Duration::from_millis(40), World::stop);
    world.run();
    let expected = [
        "outer opens",
        "inner opens",
        "innermost",
        "inner closes",
        "outer closes",
    ];
    assert_eq!(world.read(), expected);
}

fn job_queued_from_qt_inside_a_nested_loop_runs_there() {
    let world = World::new();
    let outside = world.clone();
    // Qt calls this, as it calls a slot, not the driver.
    let _slot = qt_timer(Duration::from_millis(2), move |count| {
        if count == 1 {
            outside.soon(|world| world.write("from a slot"));
        }
    });
    world.soon(|world| nested(world, "dialog", Duration::from_millis(40)));
    world.after(Duration::from_millis(60), World::stop);
    world.run();
    assert_eq!(
        world.read(),
        ["dialog opens", "from a slot", "dialog closes"]
    );
}

fn timer_fires_inside_a_nested_loop() {
    let world = World::new();
    world.soon(|world| {
        world.after(Duration::from_millis(1), |world| world.write("first"));
        world.after(Duration::from_millis(3), |world| world.write("second"));
        nested(world, "dialog", Duration::from_millis(6));
        world.stop();
    });
    world.run();
    assert_eq!(
        world.read(),
        ["dialog opens", "first", "second", "dialog closes"]
    );
}

fn nested_loop_opened_by_a_timer_gets_turns() {
    let world = World::new();
    // The host's own timer calls the turn here; Qt does not fire a timer inside its own call.
    world.after(Duration::from_millis(1), |world| {
        world.soon(|world| world.write("inside"));
        nested(world, "dialog", Duration::from_millis(2));
        world.stop();
    });
    world.run();
    assert_eq!(world.read(), ["dialog opens", "inside", "dialog closes"]);
}

fn nested_loop_exited_before_exec_returns_at_once() {
    let nested_loop = NestedLoop::new();
    nested_loop.exit(5);
    let before = Time::now();
    assert_eq!(nested_loop.exec_until_exit(), 5);
    assert!(Time::now() < before + Duration::from_secs(5));
}
