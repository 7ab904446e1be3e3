//! Timers of tasks: never early, and cancelled by dropping.

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
use qtloop::time::{Elapsed, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::trials;
use crate::world::attached;

trials![
    a_sleep_is_never_early,
    sleeps_end_in_the_order_of_their_moments,
    a_sleep_can_be_put_off_and_brought_forward,
    a_sleep_in_the_past_has_come,
    a_sleep_that_is_dropped_wakes_nobody,
    a_sleep_may_move_from_task_to_task,
    a_sleep_that_is_polled_often_on_another_thread_wakes_once,
    an_interval_ticks_at_once_and_then_with_its_period,
    missed_ticks_come_as_they_were_ordered,
    a_timeout_gives_the_result_or_drops_the_future,
    ten_thousand_sleeps_all_end,
];

const MS: Duration = Duration::from_millis(1);

fn a_sleep_is_never_early() {
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

fn sleeps_end_in_the_order_of_their_moments() {
    let event_loop = attached();
    let (sender, receiver) = std::sync::mpsc::channel();
    // On a slow machine, such as valgrind's, it takes a while until all of them wait.
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

fn a_sleep_can_be_put_off_and_brought_forward() {
    let event_loop = attached();
    event_loop.block_on(async {
        let began = Instant::now();
        let mut sleeping = sleep(Duration::from_secs(60));
        assert_eq!(timeout(MS, &mut sleeping).await, Err(Elapsed));
        sleeping.reset(began + 5 * MS);
        sleeping.await;
        assert!(began.elapsed() >= 5 * MS);
        assert!(began.elapsed() < Duration::from_secs(30));
    });
}

fn a_sleep_in_the_past_has_come() {
    let event_loop = attached();
    let past = Instant::now();
    event_loop.block_on(sleep(MS));
    let sleeping = sleep_until(past);
    assert!(sleeping.is_elapsed());
    event_loop.block_on(sleeping);
}

fn a_sleep_that_is_dropped_wakes_nobody() {
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
        sleep(5 * MS).await;
        assert_eq!(polls.get(), 1);
        task.abort();
    });
}

fn a_sleep_may_move_from_task_to_task() {
    let event_loop = attached();
    event_loop.block_on(async {
        let mut sleeping = sleep(3 * MS);
        let _ = timeout(MS, &mut sleeping).await;
        qtloop::spawn_local(sleeping).await.expect("a result");
    });
}

fn a_sleep_that_is_polled_often_on_another_thread_wakes_once() {
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
            let _ = Pin::new(&mut asleep).poll(&mut context); // it may have come, under valgrind
        }
        asleep
    });
    let asleep = polled.join().expect("no panic");
    event_loop.block_on(asleep);
    event_loop.block_on(sleep(MS));
    assert!(counts.0.load(Ordering::Relaxed) <= 1);
}

fn an_interval_ticks_at_once_and_then_with_its_period() {
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

fn missed_ticks_come_as_they_were_ordered() {
    let event_loop = attached();
    for (behavior, at_once) in [
        (MissedTickBehavior::Burst, 3),
        (MissedTickBehavior::Delay, 1),
        (MissedTickBehavior::Skip, 1),
    ] {
        event_loop.block_on(async {
            let period = Duration::from_millis(200);
            let began = Instant::now();
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(behavior);
            ticks.tick().await;
            // Nobody asks for three periods, and a half.
            std::thread::sleep(period * 7 / 2);
            let asked = Instant::now();
            for _ in 0..at_once {
                ticks.tick().await;
            }
            assert!(asked.elapsed() < period / 2, "{behavior:?}");
            ticks.tick().await;
            let beat =
                (began.elapsed().as_millis() % 200).min(200 - began.elapsed().as_millis() % 200);
            match behavior {
                MissedTickBehavior::Delay => assert!(asked.elapsed() >= period),
                _ => assert!(beat < 50, "{behavior:?} is off its beat by {beat} ms"),
            }
        });
    }
}

fn a_timeout_gives_the_result_or_drops_the_future() {
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
        assert_eq!(timeout(2 * MS, waits).await, Err(Elapsed));
        assert!(began.elapsed() >= 2 * MS);
        assert_eq!(Rc::strong_count(&held), 1);
        // A result that is there when the time is up counts.
        assert_eq!(timeout(Duration::ZERO, async { 6 }).await, Ok(6));
        let _pinned = pin!(timeout(MS, pending::<()>()));
    });
}

fn ten_thousand_sleeps_all_end() {
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
