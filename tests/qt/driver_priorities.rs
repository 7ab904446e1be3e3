//! Tests of turns while a priority other than the normal one is in use.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use qtloop::core::{Direction, NestedLoop, Priority, Time};

use crate::trials;
use crate::turns::qt_timer;
use crate::world::{LIMIT, LONG_TURN, World, job_of};

const HIGH: Priority = Priority::HIGH;
const NORMAL: Priority = Priority::NORMAL;
const LOW: Priority = Priority::LOW;

trials![
    jobs_run_by_priority_and_then_in_order,
    higher_job_runs_before_the_rest_of_the_batch,
    job_put_back_runs_first_of_its_priority_only,
    requeued_jobs_run_with_their_new_priority,
    timer_of_a_higher_priority_runs_before_earlier_ones,
    priority_is_that_of_the_running_job,
    changed_priority_ends_with_the_job,
    priority_changed_by_a_slot_is_that_of_the_job,
    qt_loop_inside_a_job_has_the_normal_priority,
    turns_nested_in_a_job_have_their_own_priorities,
    event_of_a_higher_priority_waits_for_few_jobs,
    event_of_a_higher_priority_does_not_wait_for_a_cut_batch,
    jobs_of_other_threads_run_before_a_flood,
    lower_priorities_and_qt_progress_beside_a_job_that_never_rests,
    budget_of_zero_runs_lower_priorities_and_qt,
    last_batch_runs_the_jobs_that_were_ready_of_each_priority,
    last_batch_runs_no_job_that_its_jobs_have_queued,
    last_batch_after_the_last_use_of_a_priority_runs_its_jobs,
    one_batch_runs_the_jobs_that_were_ready_of_each_priority,
    driver_without_jobs_of_other_priorities_has_none,
];

/// Makes a driver whose turns do not end in the middle of a batch, however slow the machine is. A
/// turn that has used up its time would run a job of each lower priority.
fn unhurried() -> World {
    let world = World::new();
    world.driver.set_budget(LIMIT);
    world
}

fn jobs_run_by_priority_and_then_in_order() {
    let world = unhurried();
    let jobs = [
        (LOW, "e"),
        (NORMAL, "c"),
        (HIGH, "a"),
        (LOW, "f"),
        (NORMAL, "d"),
        (HIGH, "b"),
    ];
    for (priority, word) in jobs {
        world.soon_at(priority, move |world| world.write(word));
    }
    world.soon_at(LOW, World::stop);
    world.run();
    assert_eq!(world.read(), ["a", "b", "c", "d", "e", "f"]);
}

fn higher_job_runs_before_the_rest_of_the_batch() {
    let world = unhurried();
    world.soon(|world| {
        world.write("1");
        world.soon_at(HIGH, |world| world.write("high"));
        world.soon_at(LOW, |world| {
            world.write("low");
            world.stop();
        });
    });
    world.soon(|world| world.write("2"));
    world.run();
    assert_eq!(world.read(), ["1", "high", "2", "low"]);
}

fn job_put_back_runs_first_of_its_priority_only() {
    let world = unhurried();
    world.soon_at(LOW, |world| world.write("d"));
    world
        .driver
        .push_front(job_of(LOW, |world| world.write("c")));
    world.soon(|world| world.write("b"));
    world
        .driver
        .push_front(job_of(NORMAL, |world| world.write("a")));
    world.soon_at(LOW, World::stop);
    world.run();
    assert_eq!(world.read(), ["a", "b", "c", "d"]);
}

fn requeued_jobs_run_with_their_new_priority() {
    let world = unhurried();
    for word in ["1", "2", "3", "4"] {
        world.soon(move |world| world.write(word));
    }
    world.soon_at(HIGH, |world| world.write("high"));
    let mut count = 0;
    world.driver.requeue(NORMAL, |job| {
        count += 1;
        let moves = count % 2 == 0;
        if moves {
            *job = job.at(HIGH);
        }
        moves
    });
    world.soon(World::stop);
    world.run();
    assert_eq!(world.read(), ["high", "2", "4", "1", "3"]);
}

fn timer_of_a_higher_priority_runs_before_earlier_ones() {
    let world = unhurried();
    let now = Time::now();
    for (priority, word) in [(LOW, "c"), (NORMAL, "b"), (HIGH, "a")] {
        let write = job_of(priority, move |world| world.write(word));
        world.driver.push_at(now, write);
    }
    world.driver.push_at(now, job_of(LOW, World::stop));
    world.run();
    assert_eq!(world.read(), ["a", "b", "c"]);
}

fn write_priority(world: &World) {
    world.write(world.driver.priority().to_string());
}

fn priority_is_that_of_the_running_job() {
    let world = unhurried();
    for priority in [LOW, HIGH, NORMAL, Priority::new(7).expect("in range")] {
        world.soon_at(priority, write_priority);
    }
    world.soon_at(LOW, World::stop);
    world.run();
    assert_eq!(world.read(), ["-100", "0", "7", "100"]);
    assert_eq!(world.driver.priority(), NORMAL, "outside of any job");
}

fn changed_priority_ends_with_the_job() {
    let world = World::new();
    world.soon(|world| {
        world.driver.change_priority(LOW);
        write_priority(world);
        world.driver.with_priority(HIGH, || write_priority(world));
        write_priority(world);
    });
    world.soon(|world| {
        write_priority(world);
        world.stop();
    });
    world.run();
    assert_eq!(world.read(), ["100", "-100", "100", "0"]);
}

/// Calls `slot` by a Qt timer, in a nested Qt loop.
fn call_in_a_nested_loop(world: &World, slot: impl Fn(&World) + 'static) {
    let nested_loop = Rc::new(NestedLoop::new());
    let (leave, world) = (Rc::clone(&nested_loop), world.clone());
    let _timer = qt_timer(Duration::ZERO, move |_| {
        slot(&world);
        leave.exit(0);
    });
    let _ = nested_loop.exec();
}

fn priority_changed_by_a_slot_is_that_of_the_job() {
    let world = World::new();
    world.soon_at(HIGH, |world| {
        call_in_a_nested_loop(world, |world| {
            world.driver.change_priority(LOW);
            write_priority(world);
        });
        write_priority(world);
        world.stop();
    });
    world.run();
    assert_eq!(world.read(), ["0", "100"]);
}

fn qt_loop_inside_a_job_has_the_normal_priority() {
    let world = World::new();
    world.soon_at(HIGH, |world| {
        call_in_a_nested_loop(world, write_priority);
        write_priority(world);
        world.stop();
    });
    world.run();
    assert_eq!(world.read(), ["0", "-100"]);
}

fn turns_nested_in_a_job_have_their_own_priorities() {
    let world = unhurried();
    world.soon_at(HIGH, |world| {
        let nested_loop = Rc::new(NestedLoop::new());
        for priority in [LOW, NORMAL, HIGH] {
            world.soon_at(priority, write_priority);
        }
        let leave = Rc::clone(&nested_loop);
        world.soon_at(LOW, move |_| leave.exit(0));
        let _ = nested_loop.exec();
        write_priority(world);
        world.stop();
    });
    world.run();
    assert_eq!(world.read(), ["-100", "0", "100", "-100"]);
}

/// Works for at least a microsecond.
fn work() {
    let end = Time::now() + Duration::from_micros(1);
    while Time::now() < end {}
}

/// Queues jobs that queue themselves again, until `is_over`. Each calls `on_job` with the number of
/// jobs so far.
fn flood(world: &World, on_job: impl Fn(u32) + 'static, is_over: &Rc<Cell<bool>>) -> Rc<Cell<u32>> {
    struct Flood<F> {
        on_job: F,
        count: Rc<Cell<u32>>,
        is_over: Rc<Cell<bool>>,
    }

    fn next(world: &World, flood: &Rc<Flood<impl Fn(u32) + 'static>>) {
        work();
        let number = flood.count.get();
        flood.count.set(number + 1);
        (flood.on_job)(number);
        if !flood.is_over.get() {
            let flood = Rc::clone(flood);
            world.soon(move |world| next(world, &flood));
        }
    }

    let count = Rc::default();
    let flood = Rc::new(Flood {
        on_job,
        count: Rc::clone(&count),
        is_over: Rc::clone(is_over),
    });
    for _ in 0..10_000 {
        let flood = Rc::clone(&flood);
        world.soon(move |world| next(world, &flood));
    }
    count
}

fn event_of_a_higher_priority_waits_for_few_jobs() {
    let world = World::new();
    let (writer, reader) = UnixStream::pair().expect("a socket pair");
    let writes = [15_000, 16_234, 17_777, 30_001];
    let over = Rc::new(Cell::new(false));
    let on_job = move |number| {
        if writes.contains(&number) {
            (&writer).write_all(b"x").expect("room");
        }
    };
    let count = flood(&world, on_job, &over);
    let fd = reader.as_raw_fd();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (reader, numbers) = (RefCell::new(reader), Rc::clone(&seen));
    let job = job_of(HIGH, move |world| {
        reader.borrow_mut().read_exact(&mut [0]).expect("a byte");
        numbers.borrow_mut().push(count.get());
        if numbers.borrow().len() == 4 {
            over.set(true);
            world.stop();
        } else {
            world.driver.rearm(fd, Direction::Read, |_| true);
        }
    });
    world
        .driver
        .watch(fd, Direction::Read, job)
        .expect("a watch");
    world.run();
    for (write, seen) in writes.iter().zip(&*seen.borrow()) {
        assert!(seen - write <= 100, "{} jobs in between", seen - write);
    }
    assert_eq!(seen.borrow().len(), 4);
}

fn event_of_a_higher_priority_does_not_wait_for_a_cut_batch() {
    let world = World::new();
    let (mut writer, reader) = UnixStream::pair().expect("a socket pair");
    let job = job_of(HIGH, |world| {
        world.write("high");
        world.stop();
    });
    let fd = reader.as_raw_fd();
    world
        .driver
        .watch(fd, Direction::Read, job)
        .expect("a watch");
    for number in 0..60 {
        let writer = writer.try_clone().expect("a descriptor");
        world.soon(move |world| {
            let end = Time::now() + Duration::from_millis(1);
            while Time::now() < end {}
            world.write(number.to_string());
            if number == 4 {
                (&writer).write_all(b"x").expect("room");
            }
        });
    }
    world.run();
    let entries = world.read();
    assert_eq!(entries[4..6], ["4", "high"]);
    assert_eq!(writer.write(b"").expect("open"), 0);
}

fn jobs_of_other_threads_run_before_a_flood() {
    let world = World::new();
    world.driver.retain(HIGH);
    let over = Rc::new(Cell::new(false));
    let count = Rc::new(OnceCell::<Rc<Cell<u32>>>::new());
    let (seen, ends) = (Rc::clone(&count), Rc::clone(&over));
    let remote = world.driver.remote();
    let on_job = move |number: u32| {
        if number == 20_000 {
            let (seen, ends) = (Rc::clone(&seen), Rc::clone(&ends));
            let job = job_of(NORMAL, move |world| {
                let count = seen.get().expect("it was set");
                world.write((count.get() - number).to_string());
                ends.set(true);
                world.stop();
            });
            assert!(remote.send(job).is_ok());
        }
    };
    count.set(flood(&world, on_job, &over)).expect("once");
    world.run();
    let between: u32 = world.read()[0].parse().expect("a number");
    assert!(between <= 100, "{between} jobs in between");
    world.driver.release(HIGH);
}

/// Queues itself for ever, and counts.
fn spin(world: &World, priority: Priority, count: &Rc<Cell<u32>>) {
    count.set(count.get() + 1);
    let count = Rc::clone(count);
    world.soon_at(priority, move |world| spin(world, priority, &count));
}

fn spins(world: &World) -> [Rc<Cell<u32>>; 3] {
    [HIGH, NORMAL, LOW].map(|priority| {
        let count = Rc::new(Cell::new(0));
        spin(world, priority, &count);
        count
    })
}

/// Runs until a Qt timer has fired 20 times.
fn run_for_20_qt_timers(world: &World) {
    let driver = Rc::clone(&world.driver);
    let _timer = qt_timer(Duration::ZERO, move |count| {
        if count == 20 {
            driver.stop();
        }
    });
    world.run();
}

fn lower_priorities_and_qt_progress_beside_a_job_that_never_rests() {
    let world = World::new();
    world.driver.set_budget(LONG_TURN);
    let [high, normal, low] = spins(&world);
    run_for_20_qt_timers(&world);
    // Qt calls the timer at most once between two turns, and each turn runs one job of each.
    assert!(normal.get() >= 15, "{} normal jobs", normal.get());
    assert!(low.get() >= 15, "{} low jobs", low.get());
    assert!(high.get() > 10 * low.get(), "{} high jobs", high.get());
    assert!(normal.get() <= 2 * low.get(), "one job of each");
}

fn budget_of_zero_runs_lower_priorities_and_qt() {
    let world = World::new();
    world.driver.set_budget(Duration::ZERO);
    let [_, normal, low] = spins(&world);
    run_for_20_qt_timers(&world);
    assert!(normal.get() >= 15, "{} normal jobs", normal.get());
    assert!(low.get() >= 15, "{} low jobs", low.get());
}

fn last_batch_runs_the_jobs_that_were_ready_of_each_priority() {
    let world = World::new();
    for priority in [LOW, NORMAL, HIGH] {
        world.soon_at(priority, move |world| {
            write_priority(world);
            spin(world, priority, &Rc::default());
        });
    }
    world.soon_at(HIGH, World::stop);
    world.run();
    assert_eq!(world.read(), ["-100", "0", "100"]);
    assert_eq!(world.driver.queued(), 3);
}

fn last_batch_runs_no_job_that_its_jobs_have_queued() {
    for kept in [HIGH, NORMAL, LOW] {
        let world = World::new();
        world.driver.retain(kept);
        world.soon(|world| {
            world.soon(|world| world.write("next turn"));
            world.soon_at(HIGH, |world| world.write("next turn, first"));
            world.stop();
        });
        world.soon(|world| world.write("same batch"));
        world.run();
        assert_eq!(world.read(), ["same batch"]);
        world.soon(World::stop);
        world.run();
        assert_eq!(world.read(), ["next turn, first", "next turn"]);
        world.driver.release(kept);
    }
}

fn last_batch_after_the_last_use_of_a_priority_runs_its_jobs() {
    let world = World::new();
    world.soon_at(HIGH, World::stop);
    world.run();
    world.soon(|world| world.write("ran"));
    world.driver.stop_next_run();
    world.run();
    assert_eq!(world.read(), ["ran"]);
}

fn one_batch_runs_the_jobs_that_were_ready_of_each_priority() {
    let world = World::new();
    for priority in [LOW, NORMAL, HIGH, LOW] {
        world.soon_at(priority, move |world| {
            write_priority(world);
            for other in [LOW, NORMAL, HIGH] {
                world.soon_at(other, write_priority);
            }
        });
    }
    for job in world.driver.batch() {
        job.run(&world);
    }
    assert_eq!(world.read(), ["-100", "0", "100", "100"]);
    assert_eq!(world.driver.queued(), 12);
}

fn driver_without_jobs_of_other_priorities_has_none() {
    let world = World::new();
    assert!(!world.driver.has_priorities());
    world.soon_at(HIGH, |world| world.write("a"));
    let timer = world.driver.push_at(Time::now(), job_of(LOW, |_| {}));
    assert!(world.driver.has_priorities());
    assert!(world.driver.cancel(timer).is_some());
    world.soon_at(LOW, World::stop);
    world.run();
    assert_eq!(world.read(), ["a"]);
    assert!(!world.driver.has_priorities());
    world.driver.retain(HIGH);
    assert!(world.driver.has_priorities());
    world.driver.release(HIGH);
    assert!(!world.driver.has_priorities());
}
