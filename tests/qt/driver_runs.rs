//! Tests of how a run of the driver ends, and that another one can follow.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use qtloop::core::Driver;
use qtloop::core::{NestedLoop, app};

use crate::trials;
use crate::world::{World, job};

trials![
    stop_before_the_run_runs_one_batch,
    stop_ends_the_run_after_the_current_batch,
    loop_runs_again_after_a_stop,
    quit_of_the_application_is_not_a_stop,
    exit_code_is_that_of_the_application,
    jobs_left_after_a_run_wait_for_the_next_run,
    panic_in_a_job_ends_the_turn_and_not_the_process,
    stop_without_a_run_exits_one_exec_and_the_next_exec_runs_jobs,
    detached_driver_gets_no_turns,
    driver_may_be_dropped_inside_its_own_turn,
    batch_runs_without_qt,
    nested_wait_begun_while_qt_quits_gets_events,
    held_wait_gets_turns_after_a_quit,
    paused_run_gets_no_turn_until_it_is_resumed,
    stop_without_a_qt_loop_ends_the_next_run_after_one_batch,
    driver_gets_turns_between_its_runs,
];

fn stop_before_the_run_runs_one_batch() {
    let world = World::new();
    world.stop();
    world.soon(|world| {
        world.write("first");
        world.soon(|world| world.write("second"));
    });
    world.run();
    assert_eq!(world.read(), ["first"]);
}

fn stop_ends_the_run_after_the_current_batch() {
    let world = World::new();
    world.soon(|world| {
        world.stop();
        world.soon(|world| world.write("next batch"));
    });
    world.soon(|world| world.write("same batch"));
    world.run();
    assert_eq!(world.read(), ["same batch"]);
    assert!(world.driver.has_exited());
}

fn loop_runs_again_after_a_stop() {
    let world = World::new();
    for round in ["one", "two", "three"] {
        world.soon(move |world| {
            world.write(round);
            world.stop();
        });
        world.run();
    }
    assert_eq!(world.read(), ["one", "two", "three"]);
}

fn quit_of_the_application_is_not_a_stop() {
    let world = World::new();
    world.soon(|_| app::exit(0));
    world.run();
    assert!(!world.driver.has_exited());
}

fn exit_code_is_that_of_the_application() {
    let world = World::new();
    world.soon(|_| app::exit(7));
    assert_eq!(world.run(), 7);
    world.soon(World::stop);
    assert_eq!(world.run(), 0);
}

fn jobs_left_after_a_run_wait_for_the_next_run() {
    let world = World::new();
    world.soon(|world| {
        world.stop();
        world.soon(|world| {
            world.write("later");
            world.stop();
        });
    });
    world.run();
    assert!(world.read().is_empty());
    world.run();
    assert_eq!(world.read(), ["later"]);
}

fn panic_in_a_job_ends_the_turn_and_not_the_process() {
    let world = World::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    world.soon(|_| panic!("on purpose"));
    world.soon(World::stop);
    world.run();
    std::panic::set_hook(hook);
}

fn stop_without_a_run_exits_one_exec_and_the_next_exec_runs_jobs() {
    let guest = World::new();
    guest.attach();
    let world = World::new();
    for round in ["one", "two"] {
        guest.soon(move |guest| {
            guest.write(round);
            guest.stop();
        });
        assert_eq!(world.run(), 0);
        assert!(!world.driver.has_exited());
    }
    assert_eq!(guest.read(), ["one", "two"]);
}

fn detached_driver_gets_no_turns() {
    let world = World::new();
    world.attach();
    world.soon(|world| world.write("detached"));
    world.driver.detach();
    let other = World::new();
    other.after(Duration::from_millis(5), World::stop);
    other.run();
    assert!(world.read().is_empty());
}

fn driver_may_be_dropped_inside_its_own_turn() {
    let inner = World::new();
    inner.attach();
    let cell = Rc::new(Cell::new(Some(inner.clone())));
    let taken = Rc::clone(&cell);
    inner.soon(move |_| drop(taken.take()));
    drop(inner);
    let outer = World::new();
    outer.after(Duration::from_millis(5), World::stop);
    outer.run();
    assert!(cell.take().is_none(), "the job has run");
}

fn batch_runs_without_qt() {
    let driver: Rc<Driver<&str>> = Driver::new(false).expect("two descriptors");
    driver.push("a");
    driver.push("b");
    let mut seen = Vec::new();
    for word in driver.batch() {
        driver.push("next batch");
        seen.push(word);
    }
    assert_eq!(seen, ["a", "b"]);
    assert_eq!(
        driver.batch().collect::<Vec<_>>(),
        ["next batch", "next batch"]
    );
}

fn nested_wait_begun_while_qt_quits_gets_events() {
    let world = World::new();
    world.soon(|world| {
        // Qt is quitting, and refuses to enter a loop until it has quit.
        app::exit(0);
        let nested_loop = Rc::new(NestedLoop::new());
        let left = Rc::clone(&nested_loop);
        world.driver.push(job(move |_| left.exit(3)));
        world.write(nested_loop.exec().to_string());
    });
    world.run();
    assert_eq!(world.read(), ["3"]);
}

fn held_wait_gets_turns_after_a_quit() {
    let world = World::new();
    let other = World::new();
    let nested_loop = Rc::new(NestedLoop::new());
    let left = Rc::clone(&nested_loop);
    let waiting = world.clone();
    // The wait is outside of any turn, as when Qt calls a slot.
    other.soon(move |_| {
        app::exit(0);
        let left = Rc::clone(&left);
        waiting.soon(move |_| left.exit(3));
        let code = waiting
            .driver
            .in_nested_wait(|| nested_loop.exec_until_exit());
        waiting.write(code.to_string());
    });
    other.attach();
    world.run();
    other.driver.detach();
    assert_eq!(world.read(), ["3"]);
}

fn paused_run_gets_no_turn_until_it_is_resumed() {
    let (world, other) = (World::new(), World::new());
    let paused = world.clone();
    other.soon(move |other| {
        paused.driver.set_paused(true);
        paused.soon(|world| {
            world.write("resumed");
            world.stop();
        });
        let resumed = paused.clone();
        other.after(Duration::from_millis(5), move |_| {
            resumed.write("not yet");
            resumed.driver.set_paused(false);
        });
    });
    other.attach();
    world.run();
    other.driver.detach();
    assert_eq!(world.read(), ["not yet", "resumed"]);
}

fn stop_without_a_qt_loop_ends_the_next_run_after_one_batch() {
    let world = World::new();
    world.attach();
    world.stop();
    app::send_posted_events();
    world.soon(|world| {
        world.write("first");
        world.soon(|world| world.write("second"));
    });
    world.run();
    assert_eq!(world.read(), ["first"]);
}

fn driver_gets_turns_between_its_runs() {
    let (world, other) = (World::new(), World::new());
    world.attach();
    world.soon(|world| world.write("before"));
    other.after(Duration::from_millis(5), World::stop);
    other.run();
    assert_eq!(world.read(), ["before"]);
    world.soon(World::stop);
    world.run();
    world.attach();
    world.soon(|world| world.write("after"));
    other.after(Duration::from_millis(5), World::stop);
    other.run();
    world.driver.detach();
    assert_eq!(world.read(), ["after"]);
}
