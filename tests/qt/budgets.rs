//! The budget of a poll: futures that are always ready let the other tasks run.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_lite::future;
use qtloop::process::Command;
use qtloop::task::{JoinSet, consume_budget, poll_proceed, unblock, yield_now};
use qtloop::time::{interval_at, sleep_until, timeout};
use qtloop::{JoinHandle, spawn_local};

use crate::tasks::run;
use crate::trials;
use crate::world::attached;

trials![
    consume_budget_lets_other_tasks_run,
    finished_join_handles_let_other_tasks_run,
    join_set_of_finished_tasks_lets_other_tasks_run,
    try_join_next_is_outside_of_the_budget,
    elapsed_sleeps_let_other_tasks_run,
    missed_ticks_let_other_tasks_run,
    blocking_work_lets_other_tasks_run,
    ended_child_lets_other_tasks_run,
    poll_proceed_wakes_the_task_that_it_refuses,
    budget_is_not_spent_outside_of_tasks,
    budget_is_restored_when_block_on_panics,
    timeout_elapses_although_its_future_spends_the_budget,
];

const MANY: usize = 1000;

/// Returns how often another task was polled during this work, which never waits.
async fn polls_during(work: impl Future<Output = ()> + 'static) -> usize {
    let polls = Rc::new(Cell::new(0));
    let counts = Rc::clone(&polls);
    let other = spawn_local(async move {
        loop {
            counts.set(counts.get() + 1);
            yield_now().await;
        }
    });
    yield_now().await;
    let before = polls.get();
    let done = spawn_local({
        let polls = Rc::clone(&polls);
        async move {
            work.await;
            polls.get()
        }
    });
    let after = done.await.expect("a result");
    other.abort();
    after - before
}

/// A poll may do 128 operations, so 1,000 operations take 8 polls.
fn yields(work: impl Future<Output = ()> + 'static) {
    let event_loop = attached();
    let polls = run(&event_loop, polls_during(work));
    assert!(polls >= MANY / 128, "{polls} polls of the other task");
}

fn consume_budget_lets_other_tasks_run() {
    yields(async {
        for _ in 0..MANY {
            consume_budget().await;
        }
    });
}

async fn finished() -> Vec<JoinHandle<usize>> {
    let tasks: Vec<_> = (0..MANY).map(|n| spawn_local(async move { n })).collect();
    while !tasks.iter().all(JoinHandle::is_finished) {
        yield_now().await;
    }
    tasks
}

fn finished_join_handles_let_other_tasks_run() {
    let event_loop = attached();
    let polls = run(&event_loop, async {
        let tasks = finished().await;
        polls_during(async {
            for (number, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.expect("a result"), number);
            }
        })
        .await
    });
    assert!(polls >= MANY / 128, "{polls} polls of the other task");
}

fn join_set_of_finished_tasks_lets_other_tasks_run() {
    let event_loop = attached();
    let polls = run(&event_loop, async {
        let mut set = JoinSet::new();
        let all: Vec<_> = (0..MANY)
            .map(|n| set.spawn_local(async move { n }))
            .collect();
        while !all.iter().all(qtloop::task::AbortHandle::is_finished) {
            yield_now().await;
        }
        polls_during(async move {
            let mut sum = 0;
            while let Some(number) = set.join_next().await {
                sum += number.expect("a result");
            }
            assert_eq!(sum, MANY * (MANY - 1) / 2);
        })
        .await
    });
    assert!(polls >= MANY / 128, "{polls} polls of the other task");
}

fn try_join_next_is_outside_of_the_budget() {
    let event_loop = attached();
    run(&event_loop, async {
        let mut set = JoinSet::new();
        let all: Vec<_> = (0..MANY)
            .map(|n| set.spawn_local(async move { n }))
            .collect();
        while !all.iter().all(qtloop::task::AbortHandle::is_finished) {
            yield_now().await;
        }
        spawn_local(async move {
            assert_eq!(std::iter::from_fn(|| set.try_join_next()).count(), MANY);
        })
        .await
        .expect("a result");
    });
}

fn elapsed_sleeps_let_other_tasks_run() {
    yields(async {
        let past = Instant::now();
        for _ in 0..MANY {
            sleep_until(past).await;
        }
    });
}

fn missed_ticks_let_other_tasks_run() {
    yields(async {
        let hour = Duration::from_secs(3600);
        let mut ticks = interval_at(
            Instant::now().checked_sub(hour).expect("an hour ago"),
            Duration::from_millis(1),
        );
        for _ in 0..MANY {
            ticks.tick().await;
        }
    });
}

fn blocking_work_lets_other_tasks_run() {
    yields(async {
        for number in 0..MANY {
            let mut work = Box::pin(unblock(move || number));
            // Ready at the first poll that the budget allows, if the thread was quick.
            assert_eq!((&mut work).await, number);
        }
    });
}

fn ended_child_lets_other_tasks_run() {
    let event_loop = attached();
    let polls = run(&event_loop, async {
        let mut child = Command::new("true").spawn().expect("a process");
        child.wait().await.expect("its end");
        polls_during(async move {
            for _ in 0..MANY {
                assert!(child.wait().await.expect("its end").success());
            }
        })
        .await
    });
    assert!(polls >= MANY / 128, "{polls} polls of the other task");
}

fn poll_proceed_wakes_the_task_that_it_refuses() {
    yields(future::poll_fn({
        let mut left = MANY;
        move |context| {
            while left > 0 {
                std::task::ready!(poll_proceed(context));
                left -= 1;
            }
            Poll::Ready(())
        }
    }));
}

/// Asserts that a long sequence of operations is never refused.
fn is_unlimited() {
    let mut context = Context::from_waker(Waker::noop());
    assert!((0..MANY).all(|_| poll_proceed(&mut context).is_ready()));
}

fn budget_is_not_spent_outside_of_tasks() {
    is_unlimited();
    let _event_loop = attached();
    is_unlimited();
    std::thread::spawn(is_unlimited).join().expect("no panic");
}

fn budget_is_restored_when_block_on_panics() {
    let event_loop = attached();
    let panics = || {
        event_loop.block_on(async {
            consume_budget().await;
            resume_unwind(Box::new("on purpose"))
        })
    };
    catch_unwind(AssertUnwindSafe(panics)).expect_err("a panic");
    is_unlimited();
}

fn timeout_elapses_although_its_future_spends_the_budget() {
    let event_loop = attached();
    let result = run(&event_loop, async {
        let busy = async {
            loop {
                consume_budget().await;
            }
        };
        timeout(Duration::from_millis(5), busy).await
    });
    result.expect_err("the deadline has elapsed");
}
