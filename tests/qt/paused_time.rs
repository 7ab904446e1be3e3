//! Tests of `time::{pause, advance, resume}`: timers of a paused clock, and operations that hold
//! it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt as _};
use qtloop::net::{TcpListener, TcpStream};
use qtloop::process::Command;
use qtloop::task::{Builder, Priority, unblock, yield_now};
use qtloop::time::{
    self, MissedTickBehavior, StreamExt as _, advance, interval, pause, pause_with_idle, resume,
    sleep, sleep_until, timeout, timeout_at,
};
use qtloop::{Handle, spawn_local};

use crate::trials;
use crate::world::{LIMIT, attached};

trials![
    paused_sleep_takes_no_real_time,
    each_sleep_ends_at_its_own_deadline,
    sleep_of_a_high_task_does_not_end_while_others_are_ready,
    sleep_of_a_nanosecond_ends,
    infinite_sleep_does_not_move_the_clock,
    day_with_thousands_of_sleeps_is_in_order,
    timeout_and_sleep_keep_their_order,
    advance_fires_each_timer_at_its_own_time,
    advance_of_zero_yields,
    interval_ticks_at_paused_times,
    throttle_uses_the_paused_clock,
    sleep_on_another_thread_uses_the_paused_clock,
    unblock_does_not_time_out,
    dropped_unblock_does_not_hold_the_clock,
    child_process_does_not_time_out,
    call_of_another_thread_comes_before_a_timer,
    reply_of_a_server_thread_does_not_time_out,
    listening_socket_does_not_stop_time,
    resumed_clock_stays_ahead_and_runs,
    resumed_clock_does_not_catch_up_with_real_time,
    wrong_calls_panic_with_the_cure,
    next_loop_has_real_time,
];

const HOUR: Duration = Duration::from_secs(3600);
const NS: Duration = Duration::from_nanos(1);

fn paused_sleep_takes_no_real_time() {
    let began = Instant::now();
    attached().block_on(async {
        pause();
        let paused = time::now();
        sleep(1000 * HOUR).await;
        assert_eq!(time::now() - paused, 1000 * HOUR);
    });
    assert!(began.elapsed() < HOUR);
}

fn each_sleep_ends_at_its_own_deadline() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let log = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [3, 1, 2, 1]
            .into_iter()
            .map(|hours| {
                let log = Rc::clone(&log);
                spawn_local(async move {
                    sleep(hours * HOUR).await;
                    log.borrow_mut().push((hours, time::now() - paused));
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        let expected = [1, 1, 2, 3].map(|hours| (hours, hours * HOUR));
        assert_eq!(*log.borrow(), expected);
    });
}

/// Between two polls the loop also looks for due timers of a high task. It uses the paused clock,
/// which is behind the real time here.
fn sleep_of_a_high_task_does_not_end_while_others_are_ready() {
    const MS: Duration = Duration::from_millis(1);
    attached().block_on(async {
        pause();
        let (paused, began) = (time::now(), Instant::now());
        let high = Builder::new().priority(Priority::HIGH).spawn_local(async {
            sleep(MS).await;
            time::now()
        });
        let busy = move || async move {
            while began.elapsed() < 10 * MS {
                yield_now().await;
            }
            time::now()
        };
        let tasks: Vec<_> = (0..10).map(|_| spawn_local(busy())).collect();
        for task in tasks {
            assert_eq!(task.await.expect("no panic"), paused);
        }
        assert_eq!(high.await.expect("no panic"), paused + MS);
    });
}

fn sleep_of_a_nanosecond_ends() {
    attached().block_on(async {
        pause();
        sleep(1000 * HOUR).await;
        let before = time::now();
        for _ in 0..100 {
            sleep(NS).await;
        }
        assert_eq!(time::now() - before, 100 * NS);
    });
}

fn infinite_sleep_does_not_move_the_clock() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let forever = spawn_local(sleep(Duration::MAX));
        sleep(HOUR).await;
        assert_eq!(time::now() - paused, HOUR);
        assert!(!forever.is_finished());
    });
}

fn day_with_thousands_of_sleeps_is_in_order() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let log = Rc::new(RefCell::new(Vec::new()));
        let mut random = 7_u64;
        let mut delays = Vec::new();
        for number in 0..3_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let delay = Duration::from_nanos((random >> 20) % 86_400_000_000_000);
            delays.push((delay, number));
            let log = Rc::clone(&log);
            spawn_local(async move {
                sleep_until(paused + delay).await;
                assert_eq!(time::now(), paused + delay);
                log.borrow_mut().push((delay, number));
            });
        }
        sleep(24 * HOUR).await;
        delays.sort_unstable();
        assert_eq!(*log.borrow(), delays);
    });
}

fn timeout_and_sleep_keep_their_order() {
    attached().block_on(async {
        pause();
        assert!(timeout(HOUR - NS, sleep(HOUR)).await.is_err());
        assert!(timeout(HOUR + NS, sleep(HOUR)).await.is_ok());
        let deadline = time::now() + HOUR;
        assert!(timeout_at(deadline, sleep(2 * HOUR)).await.is_err());
        assert_eq!(time::now(), deadline);
        sleep_until(deadline).await; // it has passed
        assert_eq!(time::now(), deadline);
    });
}

fn advance_fires_each_timer_at_its_own_time() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let ticks = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&ticks);
        let ticking = spawn_local(async move {
            loop {
                sleep(HOUR).await;
                log.borrow_mut().push(time::now() - paused);
            }
        });
        yield_now().await;
        advance(4 * HOUR + HOUR / 2).await;
        assert_eq!(time::now() - paused, 4 * HOUR + HOUR / 2);
        assert_eq!(*ticks.borrow(), [1, 2, 3, 4].map(|hours| hours * HOUR));
        ticking.abort();
    });
}

fn advance_of_zero_yields() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let task = spawn_local(async {});
        advance(Duration::ZERO).await;
        assert!(task.is_finished());
        assert_eq!(time::now(), paused);
    });
}

fn interval_ticks_at_paused_times() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let mut ticks = interval(HOUR);
        for count in 0..4 {
            assert_eq!(ticks.tick().await - paused, count * HOUR);
        }
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        advance(3 * HOUR + HOUR / 2).await;
        assert_eq!(ticks.tick().await - paused, 4 * HOUR);
        assert_eq!(ticks.tick().await - paused, 7 * HOUR);
        ticks.reset();
        assert_eq!(ticks.tick().await - paused, 8 * HOUR);
    });
}

fn throttle_uses_the_paused_clock() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let minutes = interval(HOUR / 60).take(121).map(move |at| at - paused);
        let hours: Vec<_> = minutes.throttle(HOUR).collect().await;
        assert_eq!(hours, [0, 1, 2].map(|hours| hours * HOUR));
    });
}

fn sleep_on_another_thread_uses_the_paused_clock() {
    attached().block_on(async {
        pause();
        let asleep = sleep(HOUR);
        assert!(!asleep.is_elapsed());
        let elsewhere = unblock(move || {
            let was_elapsed = asleep.is_elapsed();
            (asleep, was_elapsed)
        });
        let (asleep, was_elapsed) = elsewhere.await;
        assert!(!was_elapsed);
        advance(HOUR).await;
        let is_elapsed = unblock(move || asleep.is_elapsed()).await;
        assert!(is_elapsed);
    });
}

/// Waits, on another thread, until the loop has had nothing to do several times.
fn make_idle(handle: &Handle) {
    for _ in 0..20 {
        let (sender, receiver) = std::sync::mpsc::channel();
        let send = move || sender.send(()).expect("a receiver");
        handle.invoke(send).expect("the loop lives");
        receiver.recv().expect("the closure runs");
    }
}

fn unblock_does_not_time_out() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        for _ in 0..3 {
            let handle = Handle::current();
            let work = unblock(move || make_idle(&handle));
            timeout(NS, work).await.expect("no time has passed");
        }
        assert_eq!(time::now(), paused);
        sleep(HOUR).await;
        assert_eq!(time::now() - paused, HOUR);
    });
}

fn dropped_unblock_does_not_hold_the_clock() {
    attached().block_on(async {
        pause();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let work = spawn_local(unblock(move || receiver.recv()));
        yield_now().await;
        work.abort();
        let before = time::now();
        sleep(HOUR).await;
        assert_eq!(time::now() - before, HOUR);
        drop(sender);
    });
}

fn child_process_does_not_time_out() {
    attached().block_on(async {
        pause();
        let status = timeout(NS, Command::new("true").status()).await;
        let status = status.expect("no time has passed").expect("it starts");
        assert!(status.success());
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = cat.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(b"hello").await.expect("it reads");
        drop(stdin);
        let output = timeout(NS, child.wait_with_output()).await;
        let output = output.expect("no time has passed").expect("no error");
        assert_eq!(output.stdout, b"hello");
    });
}

fn call_of_another_thread_comes_before_a_timer() {
    attached().block_on(async {
        pause();
        let (sender, receiver) = async_channel::bounded(1);
        thread::spawn(move || sender.send_blocking(7).expect("a receiver"))
            .join()
            .expect("no panic");
        assert_eq!(timeout(NS, receiver.recv()).await, Ok(Ok(7)));
    });
}

fn reply_of_a_server_thread_does_not_time_out() {
    attached().block_on(async {
        pause_with_idle(LIMIT);
        let paused = time::now();
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let serving = thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = server.accept()?;
            let mut byte = [0];
            while stream.read(&mut byte)? > 0 {
                stream.write_all(&byte)?;
            }
            std::io::Result::Ok(())
        });
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        for byte in 0..20 {
            let mut reply = [0];
            stream.write_all(&[byte]).await.expect("no error");
            let read = timeout(NS, stream.read_exact(&mut reply)).await;
            read.expect("no time has passed").expect("no error");
            assert_eq!(reply, [byte]);
        }
        assert_eq!(time::now(), paused);
        drop(stream);
        serving.join().expect("no panic").expect("no error");
    });
}

fn listening_socket_does_not_stop_time() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let accepting = spawn_local(async move { listener.accept().await.map(drop) });
        sleep(HOUR).await;
        assert_eq!(time::now() - paused, HOUR);
        assert!(!accepting.is_finished());
    });
}

fn resumed_clock_stays_ahead_and_runs() {
    attached().block_on(async {
        pause();
        sleep(HOUR).await;
        resume();
        let resumed = time::now();
        assert!(resumed >= Instant::now() + HOUR / 2);
        let real = Instant::now();
        for millis in [1, 5] {
            let asked = Duration::from_millis(millis);
            let before = time::now();
            sleep(asked).await;
            assert!(time::now() - before >= asked);
        }
        assert!(real.elapsed() >= Duration::from_millis(6));
        pause();
        let paused = time::now();
        assert!(paused - resumed >= Duration::from_millis(6));
        sleep(HOUR).await;
        assert_eq!(time::now() - paused, HOUR);
    });
}

fn resumed_clock_does_not_catch_up_with_real_time() {
    attached().block_on(async {
        pause();
        let paused = time::now();
        // A task is always ready, so the clock stands while real time passes.
        let real = Instant::now();
        while real.elapsed() < Duration::from_millis(20) {
            yield_now().await;
        }
        assert_eq!(time::now(), paused);
        let before = Instant::now();
        resume();
        assert!(time::now() - paused <= before.elapsed());
    });
}

fn message(call: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast_ref::<&str>().expect("a message")).to_string(),
    }
}

fn wrong_calls_panic_with_the_cure() {
    assert!(message(pause).contains("needs a loop on this thread"));
    let event_loop = attached();
    let early = message(|| event_loop.block_on(advance(HOUR)));
    assert!(early.contains("call time::pause() before"), "{early}");
    let early = message(resume);
    assert!(early.contains("call pause() before"), "{early}");
    pause();
    assert!(message(pause).contains("paused already"));
    let late = message(|| event_loop.block_on(advance(Duration::MAX)));
    assert!(late.contains("the clock ends"), "{late}");
    event_loop.block_on(sleep(HOUR)); // the clock still moves
    resume();
    assert!(message(resume).contains("not paused"));
}

fn next_loop_has_real_time() {
    attached().block_on(async {
        pause();
        sleep(HOUR).await;
    });
    let event_loop = attached();
    let before = Instant::now();
    let now = event_loop.block_on(async { time::now() });
    assert!(now >= before && now <= Instant::now());
}
