//! Ends a scenario at every await point, in every way, and checks that nothing is left.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fs;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use qtloop::task::yield_now;
use qtloop::time::{sleep, timeout};
use qtloop::{JoinHandle, Loop, spawn_local};
use rustix::time::{ClockId, clock_gettime};

use crate::world::{LIMIT, attached};

/// The way in which a future is ended after a number of polls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// It is dropped inside a task, as by a timeout.
    Dropped,
    /// Its task is aborted.
    Aborted,
    /// Its task panics, and unwinding drops it.
    Panicked,
    /// It is dropped inside `block_on`.
    Left,
    /// `block_on` panics, and unwinding drops it.
    Thrown,
}

const WAYS: [Way; 5] = [
    Way::Dropped,
    Way::Aborted,
    Way::Panicked,
    Way::Left,
    Way::Thrown,
];

/// The waker that a scenario is polled with. Each clone that is left afterwards is a leaked wait.
#[derive(Default)]
struct Relay(Mutex<Option<Waker>>);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        let waker = self.0.lock().expect("no panic").clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// One run of a scenario, and its state.
#[derive(Clone, Default)]
struct Run {
    relay: Arc<Relay>,
    /// The scenario has completed.
    is_whole: Rc<Cell<bool>>,
    /// The task, which aborts itself.
    task: Rc<RefCell<Option<JoinHandle<()>>>>,
}

impl Run {
    /// Polls the scenario this number of times, and ends it.
    async fn cut(self, scenario: impl Future<Output = io::Result<()>>, way: Way, polls: u32) {
        let mut scenario = Some(Box::pin(scenario));
        let mut left = polls;
        poll_fn(move |context| {
            if left > 0 {
                left -= 1;
                let before = self
                    .relay
                    .0
                    .lock()
                    .expect("no panic")
                    .replace(context.waker().clone());
                drop(before);
                let waker = Waker::from(Arc::clone(&self.relay));
                let polled = scenario.as_mut().expect("not yet ended");
                if let Poll::Ready(result) = polled.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    result.expect("no error");
                    self.is_whole.set(true);
                    return Poll::Ready(());
                }
            }
            if left > 0 {
                return Poll::Pending;
            }
            match way {
                Way::Dropped | Way::Left => {
                    drop(scenario.take());
                    Poll::Ready(())
                }
                Way::Aborted => {
                    self.task.borrow().as_ref().expect("a task").abort();
                    Poll::Pending
                }
                Way::Panicked | Way::Thrown => {
                    let _dropped_on_the_way = scenario.take();
                    resume_unwind(Box::new("on purpose")) // without a message from the panic hook
                }
            }
        })
        .await;
    }
}

/// Runs a scenario and ends it at its first await, then at its second, and so on until it
/// completes; and in each way.
pub(crate) fn ends_cleanly<F>(scenario: impl Fn() -> F)
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let event_loop = attached();
    let before = descriptors();
    // First run it once, to create lazy resources such as the threads of a pool.
    limited(&event_loop, scenario()).expect("no error");
    assert_nothing_is_left(&event_loop, &Arc::default(), &before, "its own end");
    for way in WAYS {
        for polls in 0.. {
            let run = Run::default();
            end(&event_loop, run.clone(), scenario(), way, polls);
            let place = format!("{way:?} after {polls} polls");
            assert_nothing_is_left(&event_loop, &run.relay, &before, &place);
            let fresh = spawn_local(async {
                yield_now().await;
                7
            });
            assert_eq!(limited(&event_loop, fresh).expect("a result"), 7);
            if run.is_whole.get() {
                assert!(polls > 1, "there is no await in it");
                break;
            }
        }
    }
    assert_thread_sleeps(&event_loop);
}

fn limited<T>(event_loop: &Loop, future: impl Future<Output = T>) -> T {
    let limited = async { timeout(LIMIT, future).await };
    event_loop.block_on(limited).expect("the test hung")
}

fn end(
    event_loop: &Loop,
    run: Run,
    scenario: impl Future<Output = io::Result<()>> + 'static,
    way: Way,
    polls: u32,
) {
    let cut = run.clone().cut(scenario, way, polls);
    if let Way::Left | Way::Thrown = way {
        let left = catch_unwind(AssertUnwindSafe(|| limited(event_loop, cut)));
        let is_whole = run.is_whole.get();
        match left {
            Ok(()) => assert!(is_whole || way == Way::Left),
            Err(panic) => assert_on_purpose(panic.as_ref()),
        }
        return;
    }
    run.task.replace(Some(spawn_local(cut)));
    limited(event_loop, async {
        while !run.task.borrow().as_ref().expect("a task").is_finished() {
            yield_now().await;
        }
    });
    let task = run.task.take().expect("a task");
    let result = limited(event_loop, task);
    match result {
        Ok(()) => assert!(run.is_whole.get() || way == Way::Dropped),
        Err(error) if error.is_cancelled() => assert_eq!(way, Way::Aborted),
        Err(error) => assert_on_purpose(error.into_panic().as_ref()),
    }
}

/// Any other panic is the scenario's own, and fails the test.
fn assert_on_purpose(panic: &(dyn Any + Send)) {
    let words = panic.downcast_ref::<&str>();
    assert_eq!(words, Some(&"on purpose"), "the scenario itself panicked");
}

/// Waits for a while: peers are aborted in the loop's next batch, and a thread of the pool may
/// still work.
fn assert_nothing_is_left(event_loop: &Loop, relay: &Arc<Relay>, before: &[u32], place: &str) {
    let limit = Instant::now() + LIMIT;
    let is_clean = || Arc::strong_count(relay) == 1 && descriptors() == before;
    while !is_clean() && Instant::now() < limit {
        event_loop.block_on(yield_now());
    }
    assert_eq!(Arc::strong_count(relay), 1, "a waker is left: {place}");
    assert_eq!(descriptors(), before, "descriptors: {place}");
}

/// Returns the numbers of all open descriptors, including the one of the directory that is read.
fn descriptors() -> Vec<u32> {
    let folder = fs::read_dir("/proc/self/fd").expect("a folder");
    let names = folder.map(|entry| entry.expect("an entry").file_name());
    let mut numbers: Vec<_> = names
        .map(|name| name.to_string_lossy().parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Asserts that the idle thread uses nearly no CPU time.
fn assert_thread_sleeps(event_loop: &Loop) {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a time");
    event_loop.block_on(yield_now());
    let before = used();
    event_loop.block_on(sleep(Duration::from_millis(40)));
    let used = used() - before;
    assert!(used < Duration::from_millis(20), "it was busy for {used:?}");
}
