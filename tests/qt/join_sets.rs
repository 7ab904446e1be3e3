//! Sets of tasks, and handles that abort them.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::thread;

use futures_lite::future;
use qtloop::task::{AbortHandle, JoinSet, yield_now};
use qtloop::{Handle, spawn_local};

use crate::tasks::{Dropped, counter, run, settle};
use crate::trials;
use crate::world::attached;

trials![
    join_next_returns_results_in_the_order_of_completion,
    join_next_of_an_empty_set_is_none,
    join_next_that_is_dropped_loses_no_result,
    join_next_returns_cancellations_and_panics,
    try_join_next_returns_only_what_has_completed,
    abort_all_leaves_the_tasks_in_the_set,
    dropped_set_aborts_its_tasks,
    shutdown_waits_until_all_futures_are_dropped,
    detached_tasks_continue,
    set_is_awaited_on_another_thread,
    set_of_a_closed_loop_returns_cancellations,
    abort_handle_aborts_from_another_thread,
    abort_handle_outlives_its_task_and_its_loop,
    abort_handle_keeps_no_future_and_no_result,
    try_current_is_an_error_on_a_thread_without_a_loop,
];

fn is_sent_and_shared<T: Send + Sync>(_: &T) {}

fn join_next_returns_results_in_the_order_of_completion() {
    let event_loop = attached();
    let order = run(&event_loop, async {
        let mut set = JoinSet::new();
        for yields in [5, 0, 9, 2] {
            set.spawn_local(async move {
                for _ in 0..yields {
                    yield_now().await;
                }
                yields
            });
        }
        assert_eq!(set.len(), 4);
        let mut order = Vec::new();
        while let Some(yields) = set.join_next().await {
            order.push(yields.expect("a result"));
        }
        assert!(set.is_empty());
        order
    });
    assert_eq!(order, [0, 2, 5, 9]);
}

fn join_next_of_an_empty_set_is_none() {
    let event_loop = attached();
    let mut set = JoinSet::<()>::default();
    assert!(run(&event_loop, set.join_next()).is_none());
    assert!(set.try_join_next().is_none());
    run(&event_loop, set.shutdown());
}

fn join_next_that_is_dropped_loses_no_result() {
    let event_loop = attached();
    run(&event_loop, async {
        let mut set = JoinSet::new();
        set.spawn_local(async {
            yield_now().await;
            1
        });
        assert!(future::poll_once(set.join_next()).await.is_none());
        assert_eq!(set.join_next().await.expect("a task").expect("a result"), 1);
    });
}

fn join_next_returns_cancellations_and_panics() {
    let event_loop = attached();
    run(&event_loop, async {
        let mut set = JoinSet::new();
        set.spawn_local(pending()).abort();
        let error = set.join_next().await.expect("a task").expect_err("none");
        assert!(error.is_cancelled());
        set.spawn_local(async { std::panic::resume_unwind(Box::new("on purpose")) });
        let error = set.join_next().await.expect("a task").expect_err("none");
        assert_eq!(error.to_string(), "the task panicked: on purpose");
        set.spawn_local(async { 3 });
        assert_eq!(set.join_next().await.expect("a task").expect("a result"), 3);
    });
}

fn try_join_next_returns_only_what_has_completed() {
    let event_loop = attached();
    run(&event_loop, async {
        let mut set = JoinSet::new();
        set.spawn_local(pending());
        set.spawn_local(async { 7 });
        assert!(set.try_join_next().is_none());
        let taken = loop {
            match set.try_join_next() {
                Some(result) => break result,
                None => yield_now().await,
            }
        };
        assert_eq!(taken.expect("a result"), 7);
        // A waiter that registers after that is woken.
        set.spawn_local(async { 8 });
        assert!(set.try_join_next().is_none());
        assert_eq!(set.join_next().await.expect("a task").expect("a result"), 8);
        assert_eq!(set.len(), 1);
    });
}

fn filled(count: usize) -> (JoinSet<()>, Rc<Cell<u32>>) {
    let drops = Rc::new(Cell::new(0));
    let mut set = JoinSet::new();
    for _ in 0..count {
        let dropped = Dropped(Rc::clone(&drops));
        set.spawn_local(async move {
            let _dropped = dropped;
            pending().await
        });
    }
    (set, drops)
}

fn abort_all_leaves_the_tasks_in_the_set() {
    let event_loop = attached();
    let (mut set, drops) = filled(3);
    settle(&event_loop);
    set.abort_all();
    set.abort_all();
    settle(&event_loop);
    assert_eq!((drops.get(), set.len()), (3, 3));
    while let Some(result) = run(&event_loop, set.join_next()) {
        assert!(result.expect_err("no result").is_cancelled());
    }
}

fn dropped_set_aborts_its_tasks() {
    let event_loop = attached();
    let (set, drops) = filled(3);
    settle(&event_loop);
    assert_eq!(drops.get(), 0);
    drop(set);
    settle(&event_loop);
    assert_eq!(drops.get(), 3);
}

fn shutdown_waits_until_all_futures_are_dropped() {
    let event_loop = attached();
    let (mut set, drops) = filled(300);
    run(&event_loop, set.shutdown());
    assert_eq!(drops.get(), 300);
    assert!(set.is_empty());
}

fn detached_tasks_continue() {
    let event_loop = attached();
    let done = Rc::new(Cell::new(false));
    let sets = Rc::clone(&done);
    let mut set = JoinSet::new();
    let task = set.spawn_local(async move {
        yield_now().await;
        sets.set(true);
    });
    set.detach_all();
    assert!(set.is_empty());
    drop(set);
    settle(&event_loop);
    assert!(done.get() && task.is_finished());
}

fn set_is_awaited_on_another_thread() {
    let event_loop = attached();
    let (sender, receiver) = async_channel::bounded(1);
    let mut set = JoinSet::new();
    for _ in 0..3 {
        let receiver = receiver.clone();
        set.spawn_local(async move { receiver.recv().await.expect("a sender") });
    }
    is_sent_and_shared(&set);
    let waits = thread::spawn(move || {
        future::block_on(async {
            let mut sum = 0;
            while let Some(result) = set.join_next().await {
                sum += result.expect("a result");
            }
            sum
        })
    });
    run(&event_loop, async {
        for number in [1, 10, 100] {
            sender.send(number).await.expect("a receiver");
        }
        while !sender.is_empty() {
            yield_now().await;
        }
    });
    while !waits.is_finished() {
        settle(&event_loop);
    }
    assert_eq!(waits.join().expect("no panic"), 111);
}

fn set_of_a_closed_loop_returns_cancellations() {
    let event_loop = attached();
    let (mut set, drops) = filled(2);
    settle(&event_loop);
    drop(event_loop);
    assert_eq!(drops.get(), 2);
    for _ in 0..2 {
        let result = future::block_on(set.join_next()).expect("a task");
        assert!(result.expect_err("no result").is_cancelled());
    }
    assert!(future::block_on(set.join_next()).is_none());
}

fn abort_handle_aborts_from_another_thread() {
    let event_loop = attached();
    let task = spawn_local(pending::<()>());
    let abort = task.abort_handle();
    is_sent_and_shared(&abort);
    let other = abort.clone();
    assert!(!abort.is_finished());
    thread::spawn(move || other.abort())
        .join()
        .expect("no panic");
    let error = run(&event_loop, task).expect_err("no result");
    assert!(error.is_cancelled() && abort.is_finished());
}

fn abort_handle_outlives_its_task_and_its_loop() {
    let event_loop = attached();
    let task = spawn_local(async { 5 });
    let (early, late) = (
        task.abort_handle(),
        spawn_local(pending::<()>()).abort_handle(),
    );
    assert_eq!(run(&event_loop, task).expect("a result"), 5);
    early.abort();
    assert!(early.is_finished() && !late.is_finished());
    drop(event_loop);
    assert!(late.is_finished());
    late.abort();
    thread::spawn(move || drop((early, late)))
        .join()
        .expect("no panic");
}

fn abort_handle_keeps_no_future_and_no_result() {
    let event_loop = attached();
    let (drops, dropped) = counter();
    let result = Dropped(Rc::clone(&drops));
    let task = spawn_local(async move {
        drop(dropped);
        result
    });
    let abort: AbortHandle = task.abort_handle();
    settle(&event_loop);
    assert_eq!(drops.get(), 1);
    drop(task);
    assert_eq!(drops.get(), 2);
    assert!(abort.is_finished());
}

fn try_current_is_an_error_on_a_thread_without_a_loop() {
    let error = Handle::try_current().expect_err("no loop yet");
    assert_eq!(
        std::io::Error::from(error).kind(),
        std::io::ErrorKind::NotFound
    );
    let event_loop = attached();
    let (sender, receiver) = std::sync::mpsc::channel();
    let handle = Handle::try_current().expect("a loop");
    handle
        .invoke(move || sender.send(5).expect("a receiver"))
        .expect("a loop");
    settle(&event_loop);
    assert_eq!(receiver.try_recv(), Ok(5));
    let elsewhere = thread::spawn(|| Handle::try_current().is_err());
    assert!(elsewhere.join().expect("no panic"));
    drop(event_loop);
    assert!(Handle::try_current().is_err());
}
