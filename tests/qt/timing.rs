//! Tests of timers of tasks: never early, and cancelled by dropping.

use std::cell::Cell;
use std::future::pending;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use qtloop::task::yield_now;
use qtloop::time::{
    MissedTickBehavior, interval, interval_at, sleep, sleep_until, timeout, timeout_at,
};

use crate::trials;
use crate::world::attached;

trials![
    sleep_is_never_early,
    sleeps_complete_in_the_order_of_their_deadlines,
    sleep_can_be_reset_to_later_and_earlier,
    sleep_until_the_past_completes_at_once,
    dropped_sleep_wakes_no_task,
    sleep_may_move_between_tasks,
    sleep_polled_often_on_another_thread_wakes_once,
    interval_ticks_at_once_and_then_with_its_period,
    missed_ticks_follow_the_chosen_behavior,
    timeout_returns_the_result_or_drops_the_future,
    ten_thousand_sleeps_complete,
    deadline_of_a_sleep_is_the_instant_it_was_given,
    deadline_of_an_infinite_sleep_is_far_away,
    reset_wakes_the_task_that_waits_at_the_new_deadline,
    reset_on_another_thread_wakes_the_task_that_waits,
    completed_sleep_is_reset_and_waits_again,
    interval_at_ticks_at_its_start_and_then_with_its_period,
    reset_interval_ticks_at_the_new_time,
    timeout_at_elapses_at_its_deadline,
];

const MS: Duration = Duration::from_millis(1);

fn sleep_is_never_early() {
    let event_loop = attached();
    for micros in [0, 1, 50, 300, 999, 1000, 1001, 2500] {
        let asked = Duration::from_micros(micros);
        let began = Instant::now();
        event_loop.block_on(sleep(asked));
        assert!(began.elapsed() >= asked, "{asked:?}");
        let deadline = Instant::now() + asked;
        event_loop.block_on(sleep_until(deadline));
        assert!(Instant::now() >= deadline, "{asked:?}");
    }
}

fn sleeps_complete_in_the_order_of_their_deadlines() {
    let event_loop = attached();
    let (sender, receiver) = std::sync::mpsc::channel();
    // Under valgrind it takes a while until all of them wait.
    for head_start in [20, 200, 2000] {
        let began = Instant::now() + head_start * MS;
        let tasks = [3, 1, 2].map(|ms| {
            let sender = sender.clone();
            qtloop::spawn_local(async move {
                let asleep = sleep_until(began + ms * MS);
                let waits = !asleep.is_elapsed();
                asleep.await;
                sender.send(ms).expect("a receiver");
                waits
            })
        });
        let all_wait = event_loop.block_on(async {
            let mut all_wait = true;
            for task in tasks {
                all_wait &= task.await.expect("a result");
            }
            all_wait
        });
        let order: Vec<_> = receiver.try_iter().collect();
        if all_wait {
            assert_eq!(order, [1, 2, 3]);
            return;
        }
    }
    panic!("they were never early enough");
}

fn sleep_can_be_reset_to_later_and_earlier() {
    let event_loop = attached();
    event_loop.block_on(async {
        let began = Instant::now();
        let mut sleeping = sleep(Duration::from_secs(60));
        assert!(timeout(MS, &mut sleeping).await.is_err());
        sleeping.reset(began + 5 * MS);
        sleeping.await;
        assert!(began.elapsed() >= 5 * MS);
        assert!(began.elapsed() < Duration::from_secs(30));
    });
}

fn sleep_until_the_past_completes_at_once() {
    let event_loop = attached();
    let past = Instant::now();
    event_loop.block_on(sleep(MS));
    let sleeping = sleep_until(past);
    assert!(sleeping.is_elapsed());
    event_loop.block_on(sleeping);
}

fn dropped_sleep_wakes_no_task() {
    let event_loop = attached();
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    event_loop.block_on(async {
        let task = qtloop::spawn_local(async move {
            let _ = timeout(Duration::ZERO, sleep(MS)).await;
            std::future::poll_fn(|_| {
                counted.set(counted.get() + 1);
                std::task::Poll::<()>::Pending
            })
            .await;
        });
        while polls.get() == 0 {
            yield_now().await;
        }
        sleep(5 * MS).await;
        yield_now().await;
        assert_eq!(polls.get(), 1);
        task.abort();
    });
}

fn sleep_may_move_between_tasks() {
    let event_loop = attached();
    event_loop.block_on(async {
        let mut sleeping = sleep(3 * MS);
        let _ = timeout(MS, &mut sleeping).await;
        qtloop::spawn_local(sleeping).await.expect("a result");
    });
}

fn sleep_polled_often_on_another_thread_wakes_once() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let event_loop = attached();
    let counts = Arc::new(Counts(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counts));
    let mut asleep = sleep(20 * MS);
    let polled = thread::spawn(move || {
        let mut context = Context::from_waker(&waker);
        for _ in 0..100 {
            let _ = Pin::new(&mut asleep).poll(&mut context); // it may have elapsed, under valgrind
        }
        asleep
    });
    let asleep = polled.join().expect("no panic");
    event_loop.block_on(asleep);
    event_loop.block_on(sleep(MS));
    assert!(counts.0.load(Ordering::Relaxed) <= 1);
}

fn interval_ticks_at_once_and_then_with_its_period() {
    let event_loop = attached();
    event_loop.block_on(async {
        let began = Instant::now();
        let mut ticks = interval(2 * MS);
        ticks.tick().await;
        assert!(began.elapsed() < Duration::from_secs(1));
        for _ in 0..3 {
            ticks.next().await.expect("it has no end");
        }
        assert!(began.elapsed() >= 6 * MS);
    });
}

fn missed_ticks_follow_the_chosen_behavior() {
    let event_loop = attached();
    let period = 20 * MS;
    for behavior in [
        MissedTickBehavior::Burst,
        MissedTickBehavior::Delay,
        MissedTickBehavior::Skip,
    ] {
        event_loop.block_on(async {
            let start = Instant::now();
            let mut ticks = interval_at(start, period);
            ticks.set_missed_tick_behavior(behavior);
            assert_eq!(ticks.tick().await, start);
            // The interval is not polled for three periods and a half.
            thread::sleep(period * 7 / 2);
            let late = Instant::now();
            assert_eq!(ticks.tick().await, start + period);
            let next = ticks.tick().await;
            match behavior {
                MissedTickBehavior::Burst => {
                    assert_eq!(next, start + 2 * period);
                    assert_eq!(ticks.tick().await, start + 3 * period);
                }
                MissedTickBehavior::Delay => assert!(next >= late + period),
                _ => {
                    let nanoseconds = (next - start).as_nanos();
                    assert!(next > late && nanoseconds.is_multiple_of(period.as_nanos()));
                }
            }
        });
    }
}

fn timeout_returns_the_result_or_drops_the_future() {
    let event_loop = attached();
    event_loop.block_on(async {
        assert_eq!(timeout(Duration::from_secs(60), async { 5 }).await, Ok(5));
        let held = Rc::new(());
        let holds = Rc::clone(&held);
        let waits = async move {
            let _holds = holds;
            pending::<()>().await;
        };
        let began = Instant::now();
        assert!(timeout(2 * MS, waits).await.is_err());
        assert!(began.elapsed() >= 2 * MS);
        assert_eq!(Rc::strong_count(&held), 1);
        // A result that is ready at the deadline counts.
        assert_eq!(timeout(Duration::ZERO, async { 6 }).await, Ok(6));
        let _pinned = pin!(timeout(MS, pending::<()>()));
    });
}

fn ten_thousand_sleeps_complete() {
    let event_loop = attached();
    let tasks: Vec<_> = (0..10_000_u64)
        .map(|number| qtloop::spawn_local(sleep(Duration::from_micros(number * 7919 % 20_000))))
        .collect();
    event_loop.block_on(async {
        for task in tasks {
            task.await.expect("a result");
        }
    });
}

fn deadline_of_a_sleep_is_the_instant_it_was_given() {
    let _event_loop = attached();
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    for deadline in [
        now,
        now + 123 * MS,
        now + hour,
        now.checked_sub(MS).expect("uptime"),
    ] {
        assert_eq!(sleep_until(deadline).deadline(), deadline);
        let mut asleep = sleep(hour);
        asleep.reset(deadline);
        assert_eq!(asleep.deadline(), deadline);
    }
    for _ in 0..100 {
        let now = Instant::now();
        let deadline = sleep(hour).deadline();
        assert!(deadline >= now + hour && deadline <= Instant::now() + hour);
    }
}

fn deadline_of_an_infinite_sleep_is_far_away() {
    let _event_loop = attached();
    let asleep = sleep(Duration::MAX);
    let year = Duration::from_secs(365 * 24 * 3600);
    assert!(asleep.deadline() > Instant::now() + 29 * year);
    assert!(!asleep.is_elapsed());
    assert!(!sleep_until(asleep.deadline()).is_elapsed());
}

/// Polls a sleep of an hour, resets it by `reset` without polling it again, and waits for its
/// completion.
fn reset_while_it_waits(reset: impl FnOnce(&mut qtloop::time::Sleep) + 'static) {
    let event_loop = attached();
    let mut asleep = sleep(Duration::from_secs(3600));
    let mut reset = Some(reset);
    let waits = std::future::poll_fn(move |context| {
        let polled = Pin::new(&mut asleep).poll(context);
        if let Some(reset) = reset.take() {
            reset(&mut asleep);
        }
        polled
    });
    crate::tasks::run(&event_loop, async {
        qtloop::spawn_local(waits).await.expect("a result");
    });
}

fn reset_wakes_the_task_that_waits_at_the_new_deadline() {
    for after in [Duration::ZERO, 2 * MS] {
        reset_while_it_waits(move |asleep| asleep.reset(Instant::now() + after));
    }
}

fn reset_on_another_thread_wakes_the_task_that_waits() {
    reset_while_it_waits(|asleep| {
        thread::scope(|scope| {
            scope.spawn(|| asleep.reset(Instant::now() + 2 * MS));
        });
    });
}

fn completed_sleep_is_reset_and_waits_again() {
    let event_loop = attached();
    crate::tasks::run(&event_loop, async {
        let mut asleep = sleep(Duration::ZERO);
        for _ in 0..3 {
            (&mut asleep).await;
            assert!(asleep.is_elapsed());
            let deadline = Instant::now() + 2 * MS;
            asleep.reset(deadline);
            (&mut asleep).await;
            assert!(Instant::now() >= deadline);
        }
    });
}

fn interval_at_ticks_at_its_start_and_then_with_its_period() {
    let event_loop = attached();
    crate::tasks::run(&event_loop, async {
        let start = Instant::now() + 3 * MS;
        let mut ticks = interval_at(start, 2 * MS);
        assert_eq!(ticks.period(), 2 * MS);
        assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Burst);
        for number in 0..4 {
            let due = ticks.tick().await;
            assert_eq!(due, start + number * 2 * MS);
            assert!(Instant::now() >= due);
        }
        assert_eq!(ticks.next().await, Some(start + 8 * MS));
    });
    let zero = || interval_at(Instant::now(), Duration::ZERO);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(zero)).expect_err("a period of zero");
}

fn reset_interval_ticks_at_the_new_time() {
    let event_loop = attached();
    crate::tasks::run(&event_loop, async {
        let hour = Duration::from_secs(3600);
        let mut ticks = interval(hour);
        ticks.tick().await;
        ticks.reset_immediately();
        let before = Instant::now();
        ticks.tick().await;
        ticks.reset_after(2 * MS);
        let due = ticks.tick().await;
        assert!(due >= before + 2 * MS && Instant::now() >= due);
        let deadline = Instant::now() + MS;
        ticks.reset_at(deadline);
        assert_eq!(ticks.tick().await, deadline);
        ticks.reset_immediately();
        ticks.reset();
        assert!(timeout(2 * MS, ticks.tick()).await.is_err());
    });
}

fn timeout_at_elapses_at_its_deadline() {
    let event_loop = attached();
    crate::tasks::run(&event_loop, async {
        let deadline = Instant::now() + 3 * MS;
        assert!(timeout_at(deadline, pending::<()>()).await.is_err());
        assert!(Instant::now() >= deadline);
        assert_eq!(timeout_at(deadline, async { 5 }).await, Ok(5));
        assert!(timeout_at(deadline, pending::<()>()).await.is_err());
    });
}
