//! Tests that an event reaches a task of a high priority after few of 10,000 other tasks. The tasks
//! are counted; no time is measured.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use qtloop::io::Async;
use qtloop::task::{AbortHandle, Builder, Priority, unblock, yield_if_needed, yield_now};
use qtloop::time::sleep_until;
use qtloop::{Handle, JoinHandle, spawn_local};

use crate::tasks::run;
use crate::trials;
use crate::world::attached;

trials![
    byte_on_a_socket_reaches_a_high_task_in_a_flood,
    timer_reaches_a_high_task_in_a_flood,
    call_of_a_thread_reaches_a_high_task_in_a_flood,
    blocking_work_reaches_a_high_task_in_a_flood,
    channel_of_a_normal_task_reaches_a_high_task_in_a_flood,
    completed_task_reaches_a_high_task_in_a_flood,
    block_on_in_a_high_task_returns_in_a_flood,
    high_task_interrupts_a_computation_in_slices,
    computation_in_slices_does_not_yield_to_equal_priorities,
];

const HIGH: Priority = Priority::HIGH;

/// The largest number of polls that may run between an event and the step of the high task.
const FEW: u32 = 100;

/// Works for at least a microsecond.
fn work() {
    let end = Instant::now() + Duration::from_micros(1);
    while Instant::now() < end {}
}

/// 10,000 tasks that work and yield, until it is dropped.
struct Flood {
    polls: Arc<AtomicU32>,
    tasks: Vec<AbortHandle>,
}

impl Flood {
    /// Each poll calls `on_poll` with the number of polls before it.
    fn new(on_poll: impl Fn(u32) + 'static) -> Flood {
        let polls = Arc::new(AtomicU32::new(0));
        let on_poll = Rc::new(on_poll);
        let tasks = (0..10_000).map(|_| {
            let (polls, on_poll) = (Arc::clone(&polls), Rc::clone(&on_poll));
            let task = async move {
                loop {
                    work();
                    on_poll(polls.fetch_add(1, Ordering::Relaxed));
                    yield_now().await;
                }
            };
            Builder::new()
                .priority(Priority::NORMAL)
                .spawn_local(task)
                .abort_handle()
        });
        let tasks = tasks.collect();
        Flood { polls, tasks }
    }

    /// One of its tasks sends a message in this poll.
    fn that_sends(poll: u32) -> (Flood, async_channel::Receiver<()>) {
        let (sender, receiver) = async_channel::bounded(1);
        let flood = Flood::new(move |polls| {
            if polls == poll {
                sender.try_send(()).expect("room");
            }
        });
        (flood, receiver)
    }

    fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn high<T: 'static>(task: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    Builder::new().priority(HIGH).spawn_local(task)
}

/// Runs a high task until it completes.
fn run_high(task: impl Future<Output = ()> + 'static) {
    run(&attached(), high(task)).expect("a result");
}

#[track_caller]
fn assert_few(before: u32, after: u32) {
    let between = after.saturating_sub(before);
    assert!(between <= FEW, "{between} polls in between");
}

fn byte_on_a_socket_reaches_a_high_task_in_a_flood() {
    let (writer, reader) = UnixStream::pair().expect("a socket pair");
    run_high(async {
        let reader = Async::new(reader).expect("a socket");
        let writes = [15_000, 16_001, 21_234, 30_000];
        let flood = Flood::new(move |polls| {
            if writes.contains(&polls) {
                (&writer).write_all(b"x").expect("room");
            }
        });
        for before in writes {
            let byte = reader.read_with(|mut reader| reader.read(&mut [0])).await;
            assert_eq!(byte.expect("a byte"), 1);
            assert_few(before, flood.polls());
        }
    });
}

fn timer_reaches_a_high_task_in_a_flood() {
    run_high(async {
        for delay in [3, 7, 20] {
            let deadline = Instant::now() + Duration::from_millis(delay);
            let elapsed = Rc::new(Cell::new(None));
            let notes = Rc::clone(&elapsed);
            let flood = Flood::new(move |polls| {
                if notes.get().is_none() && Instant::now() >= deadline {
                    notes.set(Some(polls));
                }
            });
            sleep_until(deadline).await;
            assert!(Instant::now() >= deadline);
            if let Some(before) = elapsed.get() {
                assert_few(before, flood.polls());
            }
        }
    });
}

/// Calls `work` with the flood's polls on another thread, after 20,000 of these. Returns their
/// number after that.
fn on_a_thread(
    polls: &Arc<AtomicU32>,
    work: impl FnOnce() + Send + 'static,
) -> thread::JoinHandle<u32> {
    let polls = Arc::clone(polls);
    thread::spawn(move || {
        while polls.load(Ordering::Relaxed) < 20_000 {
            thread::yield_now();
        }
        work();
        polls.load(Ordering::Relaxed)
    })
}

fn call_of_a_thread_reaches_a_high_task_in_a_flood() {
    run_high(async {
        let flood = Flood::new(|_| {});
        let (sender, receiver) = async_channel::bounded(1);
        let handle = Handle::current();
        let thread = on_a_thread(&flood.polls, move || {
            let call = move || sender.try_send(()).expect("room");
            handle.invoke(call).expect("the loop is open");
        });
        receiver.recv().await.expect("a sender");
        let after = flood.polls();
        assert_few(thread.join().expect("no panic"), after);
    });
}

fn blocking_work_reaches_a_high_task_in_a_flood() {
    run_high(async {
        let flood = Flood::new(|_| {});
        let polls = Arc::clone(&flood.polls);
        let before = unblock(move || {
            while polls.load(Ordering::Relaxed) < 20_000 {
                thread::yield_now();
            }
            Arc::clone(&polls)
        });
        let polls = before.await;
        // The pool's thread wakes the task after its work. The number at that time is not known.
        let after = polls.load(Ordering::Relaxed);
        assert!(after < 25_000, "{after} polls");
    });
}

fn channel_of_a_normal_task_reaches_a_high_task_in_a_flood() {
    run_high(async {
        let (flood, receiver) = Flood::that_sends(17_000);
        receiver.recv().await.expect("a sender");
        assert_few(17_000, flood.polls());
    });
}

fn completed_task_reaches_a_high_task_in_a_flood() {
    run_high(async {
        let (sender, receiver) = async_channel::bounded(1);
        let flood = Flood::new(|_| {});
        let polls = Arc::clone(&flood.polls);
        let normal = Builder::new()
            .priority(Priority::NORMAL)
            .spawn_local(async move {
                receiver.recv().await.expect("a sender");
                polls.load(Ordering::Relaxed)
            });
        yield_now().await;
        sender.try_send(()).expect("room");
        assert_few(normal.await.expect("a result"), flood.polls());
    });
}

fn block_on_in_a_high_task_returns_in_a_flood() {
    run_high(async {
        let (flood, receiver) = Flood::that_sends(17_000);
        qtloop::block_on(async { receiver.recv().await }).expect("a sender");
        // Qt's loop returns at the end of the turn: after 2 ms, or 2,000 polls.
        let between = flood.polls() - 17_000;
        assert!(between <= 2500, "{between} polls in between");
    });
}

fn high_task_interrupts_a_computation_in_slices() {
    let event_loop = attached();
    // Only the priority can end the slices.
    event_loop.set_turn_budget(Duration::from_secs(60));
    run(&event_loop, async {
        let (mut writer, reader) = UnixStream::pair().expect("a socket pair");
        let slices = Rc::new(Cell::new(0));
        let count = Rc::clone(&slices);
        let task = high(async move {
            let reader = Async::new(reader).expect("a socket");
            reader.readable().await.expect("a byte");
            count.get()
        });
        yield_now().await;
        let computation = spawn_local(async move {
            while slices.get() < 5000 {
                slices.set(slices.get() + 1);
                work();
                if slices.get() == 1000 {
                    writer.write_all(b"x").expect("room");
                }
                yield_if_needed().await;
            }
        });
        assert_few(1000, task.await.expect("a result"));
        computation.await.expect("a result");
    });
}

fn computation_in_slices_does_not_yield_to_equal_priorities() {
    let event_loop = attached();
    event_loop.set_turn_budget(Duration::from_secs(60));
    let task = high(async {
        let other = Rc::new(Cell::new(0));
        let count = Rc::clone(&other);
        let chain = high(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        });
        let computation = high(async move {
            let before = other.get();
            for _ in 0..1000 {
                yield_if_needed().await;
            }
            other.get() - before
        });
        assert_eq!(computation.await.expect("a result"), 0);
        chain.abort();
    });
    run(&event_loop, task).expect("a result");
}
