//! Tests of `Loop::set_observer`: the calls for tasks, turns and waits.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use futures_lite::AsyncReadExt;
use qtloop::core::{NestedLoop, app};
use qtloop::task::{Builder, Observer, Priority, ScheduledBy, TaskMeta, yield_now};
use qtloop::time::sleep;
use qtloop::{Loop, spawn_local};

use crate::tasks::run;
use crate::trials;
use crate::world::{LONG_TURN, attached};

trials![
    observer_is_called_for_each_step_of_a_task,
    observer_knows_what_a_task_is,
    task_that_completes_schedules_the_task_that_joins_it,
    wake_up_names_the_task_that_has_caused_it,
    wake_ups_by_timers_descriptors_threads_and_calls_are_distinguished,
    slot_in_a_nested_loop_of_a_task_is_outside_of_it,
    polls_nest_as_qt_loops_do,
    aborted_and_panicked_tasks_terminate,
    tasks_of_a_dropped_loop_terminate,
    poll_that_runs_when_the_observer_is_set_is_not_observed,
    removed_observer_is_dropped_and_not_called_any_more,
    calls_of_an_observer_are_not_reported,
    block_on_in_an_observer_is_refused,
    observer_that_panics_is_removed_and_harms_no_task,
    destructor_of_an_observer_may_panic,
    observer_may_drop_the_loop_at_any_event,
    turns_and_waits_begin_and_end_in_pairs,
    ids_of_tasks_differ_and_are_those_of_their_handles,
];

/// An observer that writes a line for each of its calls.
#[derive(Default)]
struct Diary(RefCell<Vec<String>>);

impl Diary {
    fn write(&self, line: impl Display) {
        self.0.borrow_mut().push(line.to_string());
    }

    fn read(&self) -> Vec<String> {
        self.0.take()
    }
}

fn name<'a>(task: &TaskMeta<'a>) -> &'a str {
    task.name().unwrap_or("?")
}

impl Observer for Diary {
    fn on_task_spawn(&self, task: TaskMeta<'_>) {
        self.write(format_args!("{} spawned", name(&task)));
    }

    fn on_task_schedule(&self, task: TaskMeta<'_>, by: ScheduledBy<'_>) {
        match by {
            ScheduledBy::Task(waker) => {
                self.write(format_args!("{} ready by {}", name(&task), name(&waker)));
            }
            other => self.write(format_args!("{} ready by {other}", name(&task))),
        }
    }

    fn on_before_task_poll(&self, task: TaskMeta<'_>) {
        self.write(format_args!("{} begins", name(&task)));
    }

    fn on_after_task_poll(&self, task: TaskMeta<'_>) {
        self.write(format_args!("{} ends", name(&task)));
    }

    fn on_task_terminate(&self, task: TaskMeta<'_>) {
        self.write(format_args!("{} terminated", name(&task)));
    }
}

/// Makes a loop whose observer writes to the diary.
fn observed() -> (Loop, Rc<Diary>) {
    let event_loop = attached();
    let diary = Rc::new(Diary::default());
    event_loop.set_observer(Some(diary.clone()));
    (event_loop, diary)
}

fn named(name: &str) -> Builder<'_> {
    Builder::new().name(name)
}

fn observer_is_called_for_each_step_of_a_task() {
    let (event_loop, diary) = observed();
    let task = named("a").spawn_local(yield_now());
    assert_eq!(
        diary.read(),
        ["a spawned", "a ready by code outside of the loop"]
    );
    run(&event_loop, task).expect("a result");
    assert_eq!(
        diary.read(),
        [
            "a begins",
            "a ready by a", // it has yielded
            "a ends",
            "a begins",
            "a ends",
            "a terminated"
        ]
    );
}

fn observer_knows_what_a_task_is() {
    #[derive(Default)]
    struct Knows(RefCell<Vec<String>>, Cell<bool>);

    impl Observer for Knows {
        fn on_task_spawn(&self, task: TaskMeta<'_>) {
            let what = format!("{task:?}");
            assert!(what.contains(task.type_name()), "{what}");
            self.0.borrow_mut().push(task.to_string());
            self.0.borrow_mut().push(format!(
                "{:?} {} {}",
                task.name(),
                task.priority(),
                task.spawned_at()
            ));
            self.1.set(task.type_name().contains("the_future"));
        }
    }

    async fn the_future() {}

    let event_loop = attached();
    let knows = Rc::new(Knows::default());
    event_loop.set_observer(Some(knows.clone()));
    let (task, line) = (spawn_local(the_future()), line!());
    let place = format!("{}:{line}:", file!());
    let told = knows.0.take();
    let begin = format!("task {} of {place}", task.id());
    assert!(told[0].starts_with(&begin), "{told:?}");
    assert!(told[1].starts_with(&format!("None 0 {place}")), "{told:?}");
    assert!(knows.1.get());
    let valve = named("valve").priority(Priority::HIGH);
    let (task, line) = (valve.spawn_on(async {}, &event_loop.handle()), line!());
    let place = format!("{}:{line}:", file!());
    let told = knows.0.take();
    assert_eq!(told[0], "valve");
    let begin = format!("Some(\"valve\") -100 {place}");
    assert!(told[1].starts_with(&begin), "{told:?}");
    drop(task);
}

fn task_that_completes_schedules_the_task_that_joins_it() {
    let (event_loop, diary) = observed();
    let child = named("child").spawn_local(yield_now());
    let parent = named("parent").spawn_local(child);
    run(&event_loop, parent)
        .expect("a result")
        .expect("a result");
    let lines = diary.read();
    let end: Vec<_> = lines.iter().skip(lines.len() - 6).collect();
    assert_eq!(
        end,
        [
            "parent ready by child",
            "child ends",
            "child terminated",
            "parent begins",
            "parent ends",
            "parent terminated"
        ]
    );
}

fn wake_up_names_the_task_that_has_caused_it() {
    let (event_loop, diary) = observed();
    let (sender, receiver) = async_channel::bounded(1);
    let reader = named("reader").spawn_local(async move { receiver.recv().await });
    named("writer").spawn_local(async move {
        sender.send(7).await.expect("a reader");
        named("child").spawn_local(async {});
    });
    assert_eq!(run(&event_loop, reader).expect("a result"), Ok(7));
    let lines = diary.read();
    assert!(lines.iter().any(|line| line == "reader ready by writer"));
    assert!(lines.iter().any(|line| line == "child ready by writer"));
}

fn wake_ups_by_timers_descriptors_threads_and_calls_are_distinguished() {
    let (event_loop, diary) = observed();
    let handle = event_loop.handle();
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let (mut here, there) = qtloop::net::UnixStream::pair().expect("two descriptors");
    let reading = named("reader").spawn_local(async move {
        let mut byte = [0];
        here.read(&mut byte).await.expect("the end")
    });
    let task = named("a").spawn_local({
        let handle = handle.clone();
        async move {
            sleep(LONG_TURN).await; // is not over at its first poll
            let send = sender.clone();
            // Begins after this task has begun to wait.
            let thread = async move { drop(std::thread::spawn(move || send.try_send(()))) };
            named("b").spawn_local(thread);
            receiver.recv().await.expect("a message");
            let send = move || sender.try_send(()).expect("a reader");
            handle.invoke(send).expect("the loop lives");
            receiver.recv().await.expect("a message");
        }
    });
    run(&event_loop, task).expect("a result");
    let ready = |lines: Vec<String>| -> Vec<String> {
        lines
            .into_iter()
            .filter_map(|line| Some(line.split_once(" ready by ")?.1.to_owned()))
            .filter(|by| by != "a") // the thread's task
            .collect()
    };
    assert_eq!(
        ready(diary.read()),
        [
            "code outside of the loop",
            "code outside of the loop",
            "a timer",
            "another thread",
            "a call"
        ]
    );
    drop(there);
    assert_eq!(run(&event_loop, reading).expect("a result"), 0);
    assert_eq!(ready(diary.read()), ["a descriptor"]);
    let sent = std::thread::spawn(move || named("sent").spawn_on(async {}, &handle));
    run(&event_loop, sent.join().expect("no panic")).expect("a result");
    assert_eq!(ready(diary.read()), ["another thread"]);
}

fn slot_in_a_nested_loop_of_a_task_is_outside_of_it() {
    let (event_loop, diary) = observed();
    let (sender, receiver) = async_channel::bounded(2);
    let nested_loop = Rc::new(NestedLoop::new());
    let leave = Rc::clone(&nested_loop);
    let reader = named("reader").spawn_local(async move {
        receiver.recv().await.expect("the first");
        leave.exit(0);
        receiver.recv().await.expect("the second");
    });
    let dialog = named("dialog").spawn_local(async move {
        let first = sender.clone();
        app::post(move || first.try_send(()).expect("room"));
        let _ = nested_loop.exec();
        sender.try_send(()).expect("room");
    });
    run(&event_loop, dialog).expect("a result");
    run(&event_loop, reader).expect("a result");
    let lines = diary.read();
    let ready: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("reader ready"))
        .skip(1)
        .collect();
    assert_eq!(
        ready,
        [
            "reader ready by code outside of the loop",
            "reader ready by dialog"
        ]
    );
}

fn polls_nest_as_qt_loops_do() {
    let (event_loop, diary) = observed();
    let outer = named("outer").spawn_local(async {
        let inner = named("inner").spawn_local(async {});
        qtloop::block_on(inner).expect("a result");
    });
    run(&event_loop, outer).expect("a result");
    assert_eq!(
        diary.read(),
        [
            "outer spawned",
            "outer ready by code outside of the loop",
            "outer begins",
            "inner spawned",
            "inner ready by outer",
            "inner begins",
            "inner ends",
            "inner terminated",
            "outer ends",
            "outer terminated"
        ]
    );
}

fn aborted_and_panicked_tasks_terminate() {
    let (event_loop, diary) = observed();
    let aborted = named("aborted").spawn_local(std::future::pending::<()>());
    let bad = named("bad").spawn_local(async { resume_unwind(Box::new("on purpose")) });
    aborted.abort();
    let error = run(&event_loop, aborted).expect_err("it was aborted");
    assert!(error.is_cancelled());
    let error: qtloop::JoinError = run(&event_loop, bad).expect_err("a panic");
    assert!(error.is_panic());
    assert_eq!(
        diary.read()[4..],
        [
            "aborted begins",
            "aborted ends",
            "aborted terminated",
            "bad begins",
            "bad ends",
            "bad terminated"
        ]
    );
}

fn tasks_of_a_dropped_loop_terminate() {
    let (event_loop, diary) = observed();
    named("idle").spawn_local(std::future::pending::<()>());
    event_loop.block_on(yield_now());
    named("queued").spawn_local(async {});
    diary.read();
    drop(event_loop);
    assert_eq!(diary.read(), ["queued terminated", "idle terminated"]);
    assert_eq!(Rc::strong_count(&diary), 1);
}

fn poll_that_runs_when_the_observer_is_set_is_not_observed() {
    let event_loop = Rc::new(attached());
    let diary = Rc::new(Diary::default());
    let (inside, observer) = (Rc::clone(&event_loop), Rc::clone(&diary));
    let task = named("a").spawn_local(async move {
        inside.set_observer(Some(observer));
        inside
            .block_on(named("b").spawn_local(async {}))
            .expect("a result");
        yield_now().await;
    });
    run(&event_loop, task).expect("a result");
    assert_eq!(
        diary.read(),
        [
            "b spawned",
            "b ready by code outside of the loop",
            "b begins",
            "b ends",
            "b terminated",
            "a ready by code outside of the loop",
            "a begins",
            "a ends",
            "a terminated"
        ]
    );
    event_loop.set_observer(None);
}

fn removed_observer_is_dropped_and_not_called_any_more() {
    let (event_loop, diary) = observed();
    let first = named("a").spawn_local(async {});
    diary.read();
    let second = Rc::new(Diary::default());
    event_loop.set_observer(Some(second.clone()));
    assert_eq!(Rc::strong_count(&diary), 1);
    run(&event_loop, first).expect("a result");
    assert!(diary.read().is_empty());
    assert_eq!(second.read(), ["a begins", "a ends", "a terminated"]);
    event_loop.set_observer(None);
    assert_eq!(Rc::strong_count(&second), 1);
    run(&event_loop, spawn_local(async {})).expect("a result");
    assert!(second.read().is_empty());
}

fn calls_of_an_observer_are_not_reported() {
    /// Starts a task for each task.
    struct Busy(Diary, Cell<u32>);

    impl Busy {
        fn start(&self) {
            self.1.set(self.1.get() + 1);
            spawn_local(async {});
        }
    }

    impl Observer for Busy {
        fn on_task_spawn(&self, task: TaskMeta<'_>) {
            self.0.on_task_spawn(task);
            self.start();
        }

        fn on_task_schedule(&self, task: TaskMeta<'_>, by: ScheduledBy<'_>) {
            self.0.on_task_schedule(task, by);
            self.start();
        }

        fn on_before_task_poll(&self, task: TaskMeta<'_>) {
            self.0.on_before_task_poll(task);
        }
    }

    let event_loop = attached();
    let busy = Rc::new(Busy(Diary::default(), Cell::new(0)));
    event_loop.set_observer(Some(busy.clone()));
    let task = named("a").spawn_local(async {});
    assert_eq!(busy.1.get(), 2);
    assert_eq!(
        busy.0.read(),
        ["a spawned", "a ready by code outside of the loop"]
    );
    run(&event_loop, task).expect("a result");
    assert_eq!(busy.0.read(), ["? begins", "? begins", "a begins"]);
    assert_eq!(busy.1.get(), 2);
    event_loop.set_observer(None);
}

fn block_on_in_an_observer_is_refused() {
    /// The loop catches panics of an observer, so the test checks these afterwards.
    #[derive(Default)]
    struct Waits {
        answer: Cell<u32>,
        message: Cell<&'static str>,
    }

    impl Observer for Waits {
        fn on_task_spawn(&self, _: TaskMeta<'_>) {
            self.answer.set(qtloop::block_on(async { 6 * 7 })); // it need not wait
            let wait = catch_unwind(|| qtloop::block_on(yield_now()));
            let panic = wait.expect_err("a panic");
            let message = panic.downcast_ref().copied();
            self.message.set(message.unwrap_or("no message"));
            resume_unwind(panic);
        }
    }

    let event_loop = attached();
    let observer = Rc::new(Waits::default());
    event_loop.set_observer(Some(observer.clone()));
    run(&event_loop, spawn_local(async {})).expect("a result");
    assert_eq!(observer.answer.get(), 42);
    let message = observer.message.get();
    assert!(message.contains("use `spawn_local()` there"), "{message}");
    assert_eq!(Rc::strong_count(&observer), 1);
}

/// An observer that calls a function in each of its methods.
struct EachCall<F>(F);

impl<F: Fn()> Observer for EachCall<F> {
    fn on_task_spawn(&self, _: TaskMeta<'_>) {
        (self.0)();
    }
    fn on_task_schedule(&self, _: TaskMeta<'_>, _: ScheduledBy<'_>) {
        (self.0)();
    }
    fn on_before_task_poll(&self, _: TaskMeta<'_>) {
        (self.0)();
    }
    fn on_after_task_poll(&self, _: TaskMeta<'_>) {
        (self.0)();
    }
    fn on_task_terminate(&self, _: TaskMeta<'_>) {
        (self.0)();
    }
    fn on_turn_begin(&self, _: usize) {
        (self.0)();
    }
    fn on_turn_end(&self, _: usize) {
        (self.0)();
    }
    fn on_before_io_wait(&self, _: Duration) {
        (self.0)();
    }
    fn on_after_io_wait(&self, _: Duration) {
        (self.0)();
    }
}

fn observer_that_panics_is_removed_and_harms_no_task() {
    let event_loop = attached();
    for bad in 1.. {
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let observer = Rc::new(EachCall(move || {
            counted.set(counted.get() + 1);
            if counted.get() == bad {
                resume_unwind(Box::new("on purpose")); // without a message from the panic hook
            }
        }));
        event_loop.set_observer(Some(observer.clone()));
        let task = spawn_local(async {
            yield_now().await;
            7
        });
        assert_eq!(run(&event_loop, task).expect("a result"), 7);
        if calls.get() < bad {
            assert!(bad > 9, "{bad}");
            break;
        }
        assert_eq!(calls.get(), bad, "it was called again");
        assert_eq!(Rc::strong_count(&observer), 1, "it is still set");
    }
    event_loop.set_observer(None);
}

fn destructor_of_an_observer_may_panic() {
    struct Bomb;

    impl Observer for Bomb {
        fn on_task_spawn(&self, _: TaskMeta<'_>) {
            resume_unwind(Box::new("on purpose"));
        }
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("on purpose"));
        }
    }

    let event_loop = attached();
    event_loop.set_observer(Some(Rc::new(Bomb)));
    let task = spawn_local(async { 7 }); // removes it
    assert_eq!(run(&event_loop, task).expect("a result"), 7);
    event_loop.set_observer(Some(Rc::new(Bomb)));
    let removed = catch_unwind(AssertUnwindSafe(|| event_loop.set_observer(None)));
    removed.expect_err("a panic");
    assert_eq!(
        run(&event_loop, spawn_local(async { 7 })).expect("a result"),
        7
    );
}

fn observer_may_drop_the_loop_at_any_event() {
    let mut completed = 0;
    for event in 1..40 {
        let event_loop = Rc::new(attached());
        let kept = Rc::new(RefCell::new(Some(Rc::clone(&event_loop))));
        let (to_drop, calls) = (Rc::clone(&kept), Cell::new(0));
        let observer = Rc::new(EachCall(move || {
            calls.set(calls.get() + 1);
            if calls.get() >= event {
                let event_loop = to_drop.take();
                drop(event_loop);
            }
        }));
        event_loop.set_observer(Some(observer.clone()));
        drop(event_loop);
        let witness = Rc::new(());
        let held = Rc::clone(&witness);
        let first = spawn_local(async move {
            let _held = held;
            yield_now().await;
        });
        let posted = Rc::new(Cell::new(false));
        // The first event may have dropped the loop.
        if kept.borrow().is_some() {
            let nested_loop = Rc::new(NestedLoop::new());
            let (leave, left) = (Rc::clone(&nested_loop), Rc::clone(&posted));
            let joined = spawn_local(async move { drop(first.await) });
            fn leave_when_over(nested_loop: Rc<NestedLoop>, left: Rc<Cell<bool>>, turns: u32) {
                app::post(move || {
                    if turns == 0 {
                        left.set(true);
                        nested_loop.exit(0);
                    } else {
                        leave_when_over(nested_loop, left, turns - 1);
                    }
                });
            }
            leave_when_over(leave, left, 20);
            let _ = nested_loop.exec();
            completed += u32::from(joined.is_finished());
            assert!(posted.get());
        } else {
            assert!(first.is_finished());
        }
        let event_loop = kept.take();
        drop(event_loop);
        assert_eq!(Rc::strong_count(&witness), 1, "the future was not dropped");
        assert_eq!(
            Rc::strong_count(&observer),
            1,
            "the observer was not dropped"
        );
    }
    assert!(completed > 30, "{completed}");
}

/// A time that is not over when a wait for it begins, however slow the machine is.
const NOT_DUE: Duration = Duration::from_millis(100);

fn turns_and_waits_begin_and_end_in_pairs() {
    #[derive(Default)]
    struct Pairs {
        turns: RefCell<Vec<usize>>,
        waits: Cell<i32>,
        deepest: Cell<usize>,
        begun: Cell<u32>,
        waited: Cell<u32>,
    }

    impl Observer for Pairs {
        fn on_turn_begin(&self, depth: usize) {
            self.turns.borrow_mut().push(depth);
            assert_eq!(self.turns.borrow().len(), depth);
            self.deepest.set(self.deepest.get().max(depth));
            self.begun.set(self.begun.get() + 1);
        }
        fn on_turn_end(&self, depth: usize) {
            assert_eq!(self.turns.borrow_mut().pop(), Some(depth));
        }
        fn on_before_io_wait(&self, _: Duration) {
            self.waits.set(self.waits.get() + 1);
            assert_eq!(self.waits.get(), 1);
        }
        fn on_after_io_wait(&self, _: Duration) {
            self.waits.set(self.waits.get() - 1);
            self.waited.set(self.waited.get() + 1);
        }
    }

    let event_loop = attached();
    let pairs = Rc::new(Pairs::default());
    event_loop.set_observer(Some(pairs.clone()));
    let task = spawn_local(async {
        sleep(Duration::from_millis(1)).await;
        qtloop::block_on(sleep(NOT_DUE));
    });
    run(&event_loop, task).expect("a result");
    event_loop.block_on(yield_now());
    assert!(pairs.turns.borrow().is_empty());
    assert_eq!(pairs.waits.get(), 0);
    assert_eq!(pairs.deepest.get(), 2);
    assert!(pairs.begun.get() >= 3 && pairs.waited.get() >= 3);
    // An observer that has panicked would have been removed.
    assert_eq!(Rc::strong_count(&pairs), 2);
    event_loop.set_observer(None);
}

fn ids_of_tasks_differ_and_are_those_of_their_handles() {
    #[derive(Default)]
    struct Ids(RefCell<Vec<qtloop::task::Id>>);

    impl Observer for Ids {
        fn on_task_spawn(&self, task: TaskMeta<'_>) {
            self.0.borrow_mut().push(task.id());
        }
    }

    let event_loop = attached();
    let ids = Rc::new(Ids::default());
    event_loop.set_observer(Some(ids.clone()));
    let tasks: Vec<_> = (0..100).map(|_| spawn_local(async {})).collect();
    let told = ids.0.take();
    let known: Vec<_> = tasks.iter().map(|task| task.abort_handle().id()).collect();
    assert_eq!(told, known);
    let mut different = known.clone();
    different.dedup();
    assert_eq!(different.len(), 100);
    assert!(known.iter().all(|id| id.get() != 0));
    let id = tasks[0].id();
    assert_eq!(
        std::thread::spawn(move || id.to_string()).join().ok(),
        Some(known[0].to_string())
    );
    event_loop.set_observer(None);
}
