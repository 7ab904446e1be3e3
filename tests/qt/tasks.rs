//! Tests of tasks: start, completion, abort, panics, and waiting for each other.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use qtloop::core::app;
use qtloop::qt::OwnedObject;
use qtloop::task::{yield_if_needed, yield_now};
use qtloop::time::{sleep, timeout};
use qtloop::{Loop, spawn_local, spawn_scoped};

use crate::trials;
use crate::world::attached;

trials![
    task_has_a_result,
    tasks_begin_in_order_and_never_inside_spawn,
    yield_now_lets_other_tasks_run,
    yield_if_needed_returns_at_once_while_the_turn_has_time,
    yield_if_needed_yields_when_the_turn_has_used_up_its_time,
    yield_if_needed_lets_qt_process_events,
    yield_if_needed_in_block_on_lets_tasks_run,
    dropped_handle_detaches_the_task,
    dropped_handle_drops_its_waker,
    aborted_task_is_dropped_and_returns_cancelled,
    task_that_aborts_itself_ends_at_its_next_await,
    aborting_a_completed_task_keeps_its_result,
    abort_on_drop_aborts_the_task,
    panic_ends_only_its_task,
    panicking_destructor_ends_only_its_task,
    task_is_aborted_when_its_object_is_destroyed,
    dropped_loop_drops_its_tasks_on_its_thread,
    destructor_may_spawn_during_close,
    second_loop_on_a_thread_is_refused,
    task_that_is_always_ready_lets_qt_process_events,
    join_error_distinguishes_panic_and_cancellation,
    join_error_is_converted_by_a_question_mark,
    panic_payload_that_is_not_sync_may_cross_threads,
];

/// Counts how often it was dropped, and on which thread.
pub(crate) struct Dropped(pub(crate) Rc<Cell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

pub(crate) fn counter() -> (Rc<Cell<u32>>, Dropped) {
    let count = Rc::new(Cell::new(0));
    (Rc::clone(&count), Dropped(count))
}

/// Returns the result of a future, within a time limit.
pub(crate) fn run<T>(event_loop: &Loop, future: impl Future<Output = T>) -> T {
    let limited = async { timeout(Duration::from_secs(30), future).await };
    event_loop.block_on(limited).expect("the test hung")
}

/// Runs the tasks that are ready, and the tasks that they wake.
pub(crate) fn settle(event_loop: &Loop) {
    run(event_loop, async {
        for _ in 0..5 {
            yield_now().await;
        }
    });
}

fn task_has_a_result() {
    let event_loop = attached();
    let task = spawn_local(async { 6 * 7 });
    assert!(!task.is_finished());
    assert_eq!(run(&event_loop, task).expect("a result"), 42);
}

fn tasks_begin_in_order_and_never_inside_spawn() {
    let event_loop = attached();
    let diary = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = (0..3)
        .map(|number| {
            let diary = Rc::clone(&diary);
            spawn_local(async move { diary.borrow_mut().push(number) })
        })
        .collect();
    assert!(diary.borrow().is_empty());
    for task in tasks {
        run(&event_loop, task).expect("a result");
    }
    assert_eq!(*diary.borrow(), [0, 1, 2]);
}

fn yield_now_lets_other_tasks_run() {
    let event_loop = attached();
    let diary = Rc::new(RefCell::new(String::new()));
    let tasks: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|name| {
            let diary = Rc::clone(&diary);
            spawn_local(async move {
                for _ in 0..3 {
                    diary.borrow_mut().push_str(name);
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        run(&event_loop, task).expect("a result");
    }
    assert_eq!(*diary.borrow(), "ababab");
}

/// Runs a task that computes for `time` and calls `yield_if_needed`, and a task that was spawned
/// after it. Returns their order.
fn order_of_two_tasks(budget: Duration, time: Duration) -> String {
    let event_loop = attached();
    event_loop.set_turn_budget(budget);
    let diary = Rc::new(RefCell::new(String::new()));
    let (one, other) = (Rc::clone(&diary), Rc::clone(&diary));
    let computing = spawn_local(async move {
        spin(time);
        yield_if_needed().await;
        one.borrow_mut().push_str("computed ");
    });
    let waiting = spawn_local(async move { other.borrow_mut().push_str("other ") });
    run(&event_loop, async { (computing.await, waiting.await) })
        .0
        .expect("a result");
    diary.take()
}

fn spin(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {}
}

fn yield_if_needed_returns_at_once_while_the_turn_has_time() {
    let order = order_of_two_tasks(Duration::from_secs(3600), Duration::ZERO);
    assert_eq!(order, "computed other ");
}

fn yield_if_needed_yields_when_the_turn_has_used_up_its_time() {
    let (budget, time) = (Duration::from_millis(1), Duration::from_millis(2));
    assert_eq!(order_of_two_tasks(budget, time), "other computed ");
    let order = order_of_two_tasks(Duration::ZERO, Duration::ZERO);
    assert_eq!(order, "other computed ");
}

fn yield_if_needed_lets_qt_process_events() {
    let event_loop = attached();
    let fired = Rc::new(Cell::new(false));
    let fires = Rc::clone(&fired);
    app::post(move || fires.set(true));
    let computing = spawn_local(async move {
        while !fired.get() {
            spin(Duration::from_micros(100));
            yield_if_needed().await;
        }
    });
    run(&event_loop, computing).expect("a result");
}

fn yield_if_needed_in_block_on_lets_tasks_run() {
    let event_loop = attached();
    let has_run = Rc::new(Cell::new(false));
    let runs = Rc::clone(&has_run);
    let _task = spawn_local(async move { runs.set(true) });
    event_loop.block_on(async {
        while !has_run.get() {
            yield_if_needed().await;
        }
    });
}

fn dropped_handle_detaches_the_task() {
    let event_loop = attached();
    let (sender, receiver) = mpsc::channel();
    spawn_local(async move {
        yield_now().await;
        sender.send("done").expect("a receiver");
    });
    let done = async {
        loop {
            match receiver.try_recv() {
                Ok(words) => break words,
                Err(_) => yield_now().await,
            }
        }
    };
    assert_eq!(run(&event_loop, done), "done");
}

fn dropped_handle_drops_its_waker() {
    struct Nobody;
    impl std::task::Wake for Nobody {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    let _event_loop = attached();
    let mut task = spawn_local(pending::<()>());
    let waiting = std::sync::Arc::new(Nobody);
    let waker = std::sync::Arc::clone(&waiting).into();
    let mut context = std::task::Context::from_waker(&waker);
    assert!(
        std::pin::Pin::new(&mut task)
            .poll(&mut context)
            .is_pending()
    );
    drop(task);
    drop(waker);
    assert_eq!(std::sync::Arc::strong_count(&waiting), 1);
}

fn aborted_task_is_dropped_and_returns_cancelled() {
    let event_loop = attached();
    let (drops, dropped) = counter();
    let task = spawn_local(async move {
        let _dropped = dropped;
        pending::<()>().await;
    });
    run(&event_loop, yield_now());
    task.abort();
    task.abort();
    run(&event_loop, yield_now());
    assert_eq!(drops.get(), 1);
    assert!(task.is_finished());
    assert!(matches!(run(&event_loop, task), Err(error) if error.is_cancelled()));
    // And a task that has not begun.
    let (drops, dropped) = counter();
    let task = spawn_local(async move { drop(dropped) });
    task.abort();
    assert!(matches!(run(&event_loop, task), Err(error) if error.is_cancelled()));
    assert_eq!(drops.get(), 1);
}

fn task_that_aborts_itself_ends_at_its_next_await() {
    let event_loop = attached();
    let handle: Rc<RefCell<Option<qtloop::JoinHandle<()>>>> = Rc::default();
    let reached = Rc::new(Cell::new(0));
    let (own, steps) = (Rc::clone(&handle), Rc::clone(&reached));
    let task = spawn_local(async move {
        if let Some(own) = &*own.borrow() {
            own.abort();
        }
        steps.set(1);
        yield_now().await;
        steps.set(2);
    });
    handle.replace(Some(task));
    settle(&event_loop);
    assert_eq!(reached.get(), 1);
    let task = handle.take().expect("the handle");
    assert!(matches!(run(&event_loop, task), Err(error) if error.is_cancelled()));
}

fn aborting_a_completed_task_keeps_its_result() {
    let event_loop = attached();
    let task = spawn_local(async { "result" });
    run(&event_loop, yield_now());
    assert!(task.is_finished());
    task.abort();
    assert_eq!(run(&event_loop, task).expect("a result"), "result");
}

fn abort_on_drop_aborts_the_task() {
    let event_loop = attached();
    let (drops, dropped) = counter();
    let task = spawn_local(async move {
        let _dropped = dropped;
        pending::<()>().await;
    });
    let task = task.abort_on_drop();
    run(&event_loop, yield_now());
    assert_eq!(drops.get(), 0);
    drop(task);
    run(&event_loop, yield_now());
    assert_eq!(drops.get(), 1);
}

fn panic_ends_only_its_task() {
    let event_loop = attached();
    let (drops, dropped) = counter();
    let task = spawn_local(async move {
        let _dropped = dropped;
        yield_now().await;
        panic!("on purpose");
    });
    let other = spawn_local(async {
        sleep(Duration::from_millis(1)).await;
        "goes on"
    });
    let error = run(&event_loop, task).expect_err("a panic");
    assert_eq!(error.to_string(), "the task panicked: on purpose");
    assert!(error.is_panic());
    assert_eq!(drops.get(), 1);
    assert_eq!(run(&event_loop, other).expect("a result"), "goes on");
}

fn panicking_destructor_ends_only_its_task() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let event_loop = attached();
    let task = spawn_local(async {
        let _fails = Fails;
        pending::<()>().await;
    });
    run(&event_loop, yield_now());
    task.abort();
    assert!(matches!(run(&event_loop, task), Err(error) if error.is_cancelled()));
    let task = spawn_local(async {
        let _fails = Fails;
        pending::<()>().await;
    });
    run(&event_loop, yield_now());
    drop(event_loop);
    assert!(task.is_finished());
}

fn task_is_aborted_when_its_object_is_destroyed() {
    let event_loop = attached();
    let (drops, dropped) = counter();
    let object = OwnedObject::new();
    let task = spawn_scoped(&object, async move {
        let _dropped = dropped;
        pending::<()>().await;
    });
    let done = spawn_scoped(&object, async { "done before" });
    run(&event_loop, yield_now());
    assert_eq!(drops.get(), 0);
    let kept = (*object).clone();
    drop(object);
    run(&event_loop, yield_now());
    assert_eq!(drops.get(), 1);
    assert!(matches!(run(&event_loop, task), Err(error) if error.is_cancelled()));
    assert_eq!(run(&event_loop, done).expect("a result"), "done before");
    let late = spawn_scoped::<_>(&kept, async { unreachable!("its object is gone") });
    assert!(matches!(run(&event_loop, late), Err(error) if error.is_cancelled()));
}

fn dropped_loop_drops_its_tasks_on_its_thread() {
    let event_loop = attached();
    let (drops, dropped) = counter();
    let task = spawn_local(async move {
        let _dropped = dropped;
        sleep(Duration::from_secs(60)).await;
    });
    let (unbegun_drops, unbegun) = counter();
    run(&event_loop, yield_now());
    spawn_local(async move { drop(unbegun) });
    assert_eq!(drops.get(), 0);
    drop(event_loop);
    assert_eq!((drops.get(), unbegun_drops.get()), (1, 1));
    assert!(matches!(run(&attached(), task), Err(error) if error.is_cancelled()));
}

fn destructor_may_spawn_during_close() {
    struct Spawns(Rc<Cell<u32>>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let dropped = Dropped(Rc::clone(&self.0));
            spawn_local(async move { drop(dropped) });
        }
    }
    let event_loop = attached();
    let count = Rc::new(Cell::new(0));
    let spawns = Spawns(Rc::clone(&count));
    spawn_local(async move {
        let _spawns = spawns;
        pending::<()>().await;
    });
    run(&event_loop, yield_now());
    drop(event_loop);
    assert_eq!(count.get(), 1);
}

fn second_loop_on_a_thread_is_refused() {
    let event_loop = attached();
    let error = Loop::attach().expect_err("a second one");
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    drop(event_loop);
    drop(attached());
}

fn task_that_is_always_ready_lets_qt_process_events() {
    let event_loop = attached();
    let spinning = spawn_local(async {
        loop {
            yield_now().await;
        }
    });
    let handle = event_loop.handle();
    // `quit` is an event posted to Qt: it is processed only when the turn ends.
    drop(thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        app::exit(4);
        drop(handle);
    }));
    assert_eq!(event_loop.exec(), 4);
    spinning.abort();
}

fn join_error_distinguishes_panic_and_cancellation() {
    let event_loop = attached();
    let error = |payload: Box<dyn std::any::Any + Send>| {
        let panics = spawn_local(async move { std::panic::resume_unwind(payload) });
        let panics: qtloop::JoinHandle<()> = panics;
        run(&event_loop, panics).expect_err("a panic")
    };
    let text = error(Box::new("a text"));
    assert!(text.is_panic() && !text.is_cancelled());
    assert_eq!(text.to_string(), "the task panicked: a text");
    assert_eq!(format!("{text:?}"), "JoinError::Panic(\"a text\")");
    assert_eq!(text.into_panic().downcast_ref(), Some(&"a text"));
    let number = error(Box::new(5_u8)).try_into_panic().expect("a payload");
    assert_eq!(number.downcast_ref(), Some(&5_u8));

    let task = spawn_local(pending::<()>());
    task.abort();
    let cancelled = run(&event_loop, task).expect_err("no result");
    assert!(cancelled.is_cancelled() && !cancelled.is_panic());
    assert!(cancelled.to_string().starts_with("the task was cancelled"));
    let cancelled = cancelled.try_into_panic().expect_err("no payload");
    assert!(cancelled.is_cancelled());
}

fn join_error_is_converted_by_a_question_mark() {
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    async fn boxed() -> Result<u32, Boxed> {
        let task = spawn_local(pending::<u32>());
        task.abort();
        Ok(task.await?)
    }
    async fn io() -> std::io::Result<u32> {
        let task = spawn_local(async { std::panic::resume_unwind(Box::new("on purpose")) });
        let task: qtloop::JoinHandle<u32> = task;
        Ok(task.await?)
    }
    let event_loop = attached();
    let error = run(&event_loop, boxed()).expect_err("no result");
    let error = error.downcast::<qtloop::JoinError>().expect("this one");
    assert!(error.is_cancelled());
    let error = run(&event_loop, io()).expect_err("no result");
    let error = error.downcast::<qtloop::JoinError>().expect("this one");
    assert_eq!(error.into_panic().downcast_ref(), Some(&"on purpose"));
}

fn panic_payload_that_is_not_sync_may_cross_threads() {
    let event_loop = attached();
    let payload = Cell::new(7); // not `Sync`
    let task = spawn_local(async move { std::panic::resume_unwind(Box::new(payload)) });
    let task: qtloop::JoinHandle<()> = task;
    let error = std::sync::Arc::new(run(&event_loop, task).expect_err("a panic"));
    let shared = std::sync::Arc::clone(&error);
    let text = thread::spawn(move || shared.to_string());
    assert_eq!(text.join().expect("no panic"), error.to_string());
    let error = std::sync::Arc::into_inner(error).expect("the last one");
    let taken = thread::spawn(move || {
        error
            .into_panic()
            .downcast::<Cell<i32>>()
            .map(|cell| cell.get())
    });
    assert_eq!(taken.join().expect("no panic").expect("the payload"), 7);
}
