//! `Loop::stats`.

use std::future::pending;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::Duration;

use futures_lite::future::poll_once;
use qtloop::io::Async;
use qtloop::task::{Builder, Priority, yield_now};
use qtloop::time::sleep;
use qtloop::{Stats, spawn_local};

use crate::tasks::{run, settle};
use crate::trials;
use crate::world::{LIMIT, attached};

trials![
    new_loop_has_counted_nothing,
    tasks_that_have_not_completed_are_counted,
    ready_tasks_are_counted_by_priority,
    task_of_another_thread_is_ready_at_the_highest_priority,
    timers_and_descriptors_that_tasks_wait_for_are_counted,
    polls_of_tasks_are_jobs,
    long_poll_of_a_task_is_the_longest_turn,
    lateness_of_a_timer_is_counted,
];

fn new_loop_has_counted_nothing() {
    assert_eq!(attached().stats(), Stats::default());
}

fn tasks_that_have_not_completed_are_counted() {
    let event_loop = attached();
    let waiting = spawn_local(pending::<()>());
    let aborted = spawn_local(pending::<()>());
    let completed = spawn_local(async {});
    assert_eq!(event_loop.stats().tasks, 3);
    aborted.abort();
    settle(&event_loop);
    drop(completed);
    assert_eq!(event_loop.stats().tasks, 1);
    waiting.abort();
    settle(&event_loop);
    assert_eq!(event_loop.stats().tasks, 0);
}

fn ready_tasks_are_counted_by_priority() {
    let event_loop = attached();
    for priority in [
        Priority::LOW,
        Priority::NORMAL,
        Priority::HIGH,
        Priority::LOW,
    ] {
        Builder::new().priority(priority).spawn_local(async {});
    }
    let expected = [
        (Priority::HIGH, 1),
        (Priority::NORMAL, 1),
        (Priority::LOW, 2),
    ];
    assert_eq!(event_loop.stats().ready, expected);
    settle(&event_loop);
    assert!(event_loop.stats().ready.is_empty());
}

fn task_of_another_thread_is_ready_at_the_highest_priority() {
    let event_loop = attached();
    let handle = event_loop.handle();
    let sender = std::thread::spawn(move || drop(handle.spawn(async {})));
    sender.join().expect("the thread has ended");
    assert_eq!(event_loop.stats().ready, [(Priority::NORMAL, 1)]);
    Builder::new()
        .priority(Priority::HIGH)
        .spawn_local(async {});
    assert_eq!(event_loop.stats().ready, [(Priority::HIGH, 2)]);
}

fn timers_and_descriptors_that_tasks_wait_for_are_counted() {
    let event_loop = attached();
    let (near, _far) = UnixStream::pair().expect("a socket pair");
    let sleeper = spawn_local(sleep(LIMIT));
    let reader = spawn_local(async move {
        let near = Async::new(near).expect("a descriptor");
        near.readable().await
    });
    settle(&event_loop);
    let stats = event_loop.stats();
    assert_eq!((stats.timers, stats.watched_fds), (1, 1));
    sleeper.abort();
    reader.abort();
    settle(&event_loop);
    let stats = event_loop.stats();
    assert_eq!((stats.timers, stats.watched_fds), (0, 0));
}

fn polls_of_tasks_are_jobs() {
    let event_loop = attached();
    settle(&event_loop);
    let before = event_loop.stats();
    let task = spawn_local(async {
        for _ in 0..10 {
            yield_now().await;
        }
    });
    run(&event_loop, task).expect("a result");
    let after = event_loop.stats();
    assert!(after.jobs - before.jobs >= 11);
    assert!(after.turns > before.turns && after.polls > before.polls);
    assert!(after.wakeups <= after.turns && after.linger_hits <= after.lingers);
}

fn long_poll_of_a_task_is_the_longest_turn() {
    const LONG: Duration = Duration::from_millis(5);
    let event_loop = attached();
    let task = spawn_local(async { std::thread::sleep(LONG) });
    run(&event_loop, task).expect("a result");
    let stats = event_loop.stats();
    assert!(stats.longest_turn >= LONG && stats.longest_turn < LIMIT);
    assert!(stats.time_in_turns >= stats.longest_turn);
}

fn lateness_of_a_timer_is_counted() {
    const DELAY: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_millis(20);
    let event_loop = attached();
    let task = spawn_local(async {
        let mut timer = pin!(sleep(DELAY));
        assert!(poll_once(&mut timer).await.is_none());
        std::thread::sleep(LONG);
        for _ in 0..5 {
            yield_now().await;
        }
    });
    event_loop.block_on(task).expect("a result");
    let stats = event_loop.stats();
    assert_eq!(stats.timers_fired, 1);
    assert_eq!(stats.mean_timer_lateness, stats.max_timer_lateness);
    assert!(stats.max_timer_lateness >= LONG.saturating_sub(DELAY));
    assert!(stats.max_timer_lateness < LIMIT);
}
