//! Tests of the priorities of tasks: order, inheritance, changes and names.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use qtloop::core::{NestedLoop, has_priorities};
use qtloop::io::Async;
use qtloop::qt::Object;
use qtloop::task::{Builder, JoinSet, Priority, unblock, yield_now};
use qtloop::time::sleep;
use qtloop::{Handle, JoinHandle, spawn_local, spawn_scoped};

use crate::tasks::{run, settle};
use crate::trials;
use crate::turns::qt_timer;
use crate::world::{LIMIT, LONG_TURN, attached};

trials![
    tasks_run_by_priority_and_then_in_order,
    child_inherits_the_priority_however_it_is_spawned,
    child_inherits_the_priority_after_each_kind_of_await,
    builder_sets_another_priority_than_the_inherited_one,
    task_spawned_outside_of_a_task_is_normal,
    task_spawned_by_another_thread_is_normal_unless_it_says_otherwise,
    closure_of_invoke_inherits_on_the_thread_of_the_loop_only,
    task_spawned_by_a_slot_inside_a_high_task_is_normal,
    future_of_block_on_inherits_the_priority,
    ready_task_moves_when_its_priority_is_set,
    idle_task_runs_with_its_new_priority,
    task_that_sets_its_own_priority_passes_it_on,
    priority_set_by_a_slot_is_that_of_the_task,
    priority_set_by_an_inner_task_takes_effect_at_the_next_poll,
    priority_set_by_another_thread_takes_effect_in_order,
    lower_priorities_progress_beside_a_task_that_never_rests,
    debug_of_handles_shows_name_and_priority,
    priorities_out_of_range_are_refused,
];

const HIGH: Priority = Priority::HIGH;
const NORMAL: Priority = Priority::NORMAL;
const LOW: Priority = Priority::LOW;

pub(crate) fn at<T: 'static>(
    priority: Priority,
    task: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    Builder::new().priority(priority).spawn_local(task)
}

/// Returns the priority that a child of this code inherits.
pub(crate) fn inherited() -> Priority {
    spawn_local(async {}).priority()
}

/// A list of words that tasks write to.
#[derive(Clone, Default)]
struct Diary(Rc<RefCell<Vec<&'static str>>>);

impl Diary {
    fn write(&self, word: &'static str) {
        self.0.borrow_mut().push(word);
    }

    /// Starts a task that writes a word.
    fn task(&self, priority: Priority, word: &'static str) -> JoinHandle<()> {
        let diary = self.clone();
        at(priority, async move { diary.write(word) })
    }

    fn read(&self) -> Vec<&'static str> {
        self.0.take()
    }
}

fn tasks_run_by_priority_and_then_in_order() {
    let event_loop = attached();
    event_loop.set_turn_budget(LIMIT); // a turn that is over runs lower priorities
    let diary = Diary::default();
    let tasks = [
        (LOW, "e"),
        (NORMAL, "c"),
        (HIGH, "a"),
        (LOW, "f"),
        (NORMAL, "d"),
        (HIGH, "b"),
    ];
    for (priority, word) in tasks {
        diary.task(priority, word);
    }
    settle(&event_loop);
    assert_eq!(diary.read(), ["a", "b", "c", "d", "e", "f"]);
}

fn child_inherits_the_priority_however_it_is_spawned() {
    let event_loop = attached();
    let priority = Priority::new(-42).expect("in range");
    let task = at(priority, async {
        let object = Object::application().expect("there is one");
        let handle = Handle::current();
        let mut set = JoinSet::new();
        let found = [
            spawn_local(async {}).priority(),
            spawn_scoped(&object, async {}).priority(),
            set.spawn_local(async {}).priority(),
            handle.spawn(async {}).priority(),
            handle.spawn_from_within(|| async {}).priority(),
            Builder::new()
                .name("child")
                .spawn_local(async {})
                .priority(),
            Builder::new().spawn_scoped(&object, async {}).priority(),
            Builder::new().spawn_on(async {}, &handle).priority(),
            spawn_local(async { inherited() })
                .await
                .expect("a grandchild"),
        ];
        set.detach_all();
        found
    });
    let found = run(&event_loop, task).expect("a result");
    assert_eq!(found, [priority; 9]);
}

fn child_inherits_the_priority_after_each_kind_of_await() {
    let event_loop = attached();
    let (mut writer, reader) = UnixStream::pair().expect("a socket pair");
    let normal = spawn_local(async move {
        sleep(Duration::from_millis(2)).await;
        writer.write_all(b"x").expect("room");
        writer
    });
    let task = at(HIGH, async {
        let mut found = vec![inherited()];
        yield_now().await;
        found.push(inherited());
        sleep(Duration::from_millis(1)).await;
        found.push(inherited());
        let reader = Async::new(reader).expect("a socket");
        reader.readable().await.expect("a byte");
        found.push(inherited());
        drop(normal.await.expect("a result"));
        found.push(inherited());
        unblock(|| ()).await;
        found.push(inherited());
        // The timer wakes a waker of this select, not that of the task.
        let either = futures_lite::future::or(sleep(Duration::from_millis(1)), pending());
        either.await;
        found.push(inherited());
        found
    });
    assert_eq!(run(&event_loop, task).expect("a result"), [HIGH; 7]);
}

fn builder_sets_another_priority_than_the_inherited_one() {
    let event_loop = attached();
    let task = at(HIGH, async {
        let handle = Handle::current();
        let object = Object::application().expect("there is one");
        [
            at(NORMAL, async {}).priority(),
            Builder::new()
                .priority(LOW)
                .spawn_on(async {}, &handle)
                .priority(),
            Builder::new()
                .priority(LOW)
                .spawn_scoped(&object, async {})
                .priority(),
            at(NORMAL, async { inherited() })
                .await
                .expect("a grandchild"),
        ]
    });
    let found = run(&event_loop, task).expect("a result");
    assert_eq!(found, [NORMAL, LOW, LOW, NORMAL]);
}

fn task_spawned_outside_of_a_task_is_normal() {
    let event_loop = attached();
    assert_eq!(inherited(), NORMAL);
    let high = at(HIGH, async { yield_now().await });
    assert_eq!(inherited(), NORMAL);
    run(&event_loop, high).expect("a result");
    assert_eq!(inherited(), NORMAL);
}

fn task_spawned_by_another_thread_is_normal_unless_it_says_otherwise() {
    let event_loop = attached();
    let task = at(HIGH, async {
        let handle = Handle::current();
        let thread = thread::spawn(move || {
            let high = Builder::new()
                .priority(HIGH)
                .spawn_on(async { inherited() }, &handle);
            let normal = handle.spawn(async { inherited() });
            let within = handle.spawn_from_within(|| async { inherited() });
            assert_eq!(high.priority(), HIGH);
            (high, normal, within)
        });
        let (high, normal, within) = thread.join().expect("no panic");
        (
            high.await.expect("a result"),
            normal.await.expect("a result"),
            within.await.expect("a result"),
        )
    });
    assert_eq!(
        run(&event_loop, task).expect("a result"),
        (HIGH, NORMAL, NORMAL)
    );
}

fn closure_of_invoke_inherits_on_the_thread_of_the_loop_only() {
    let event_loop = attached();
    let task = at(HIGH, async {
        let handle = Handle::current();
        let (sender, receiver) = async_channel::unbounded();
        let here = sender.clone();
        let invoked = handle.invoke(move || here.try_send(("here", inherited())).expect("room"));
        invoked.expect("the loop is open");
        let first = receiver.recv().await.expect("a sender");
        let call = move || sender.try_send(("there", inherited())).expect("room");
        let thread = thread::spawn(move || handle.invoke(call));
        let second = receiver.recv().await.expect("a sender");
        thread.join().expect("no panic").expect("the loop is open");
        [first, second]
    });
    let found = run(&event_loop, task).expect("a result");
    assert_eq!(found, [("here", HIGH), ("there", NORMAL)]);
}

fn task_spawned_by_a_slot_inside_a_high_task_is_normal() {
    let event_loop = attached();
    let task = at(HIGH, async {
        let nested_loop = Rc::new(NestedLoop::new());
        let found = Rc::new(RefCell::new(Vec::new()));
        // A task of the turns inside the dialog, which closes it.
        let (leave, notes) = (Rc::clone(&nested_loop), Rc::clone(&found));
        let closing = at(LOW, async move {
            yield_now().await;
            while notes.borrow().is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
            notes.borrow_mut().push(inherited());
            leave.exit(0);
        });
        let in_slot = Rc::clone(&found);
        let _timer = qt_timer(Duration::ZERO, move |count| {
            if count == 1 {
                in_slot.borrow_mut().push(inherited());
            }
        });
        let _ = nested_loop.exec();
        found.borrow_mut().push(inherited());
        closing.await.expect("a result");
        found.take()
    });
    assert_eq!(
        run(&event_loop, task).expect("a result"),
        [NORMAL, LOW, HIGH]
    );
}

fn future_of_block_on_inherits_the_priority() {
    let event_loop = attached();
    let task = at(HIGH, async {
        qtloop::block_on(async {
            let first = inherited();
            sleep(Duration::from_millis(1)).await;
            [first, inherited()]
        })
    });
    assert_eq!(run(&event_loop, task).expect("a result"), [HIGH; 2]);
}

fn ready_task_moves_when_its_priority_is_set() {
    let event_loop = attached();
    event_loop.set_turn_budget(LIMIT); // a turn that is over runs lower priorities
    let diary = Diary::default();
    diary.task(NORMAL, "b");
    let (last, first) = (diary.task(NORMAL, "d"), diary.task(NORMAL, "a"));
    diary.task(NORMAL, "c");
    first.set_priority(HIGH);
    last.set_priority(LOW);
    assert_eq!((first.priority(), last.priority()), (HIGH, LOW));
    settle(&event_loop);
    assert_eq!(diary.read(), ["a", "b", "c", "d"]);
    assert!(!has_priorities(&event_loop));
}

fn idle_task_runs_with_its_new_priority() {
    let event_loop = attached();
    event_loop.set_turn_budget(LIMIT); // a turn that is over runs lower priorities
    let diary = Diary::default();
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let writes = diary.clone();
    let task = spawn_local(async move {
        receiver.recv().await.expect("a sender");
        writes.write("set");
        inherited()
    });
    settle(&event_loop);
    task.abort_handle().set_priority(LOW);
    assert_eq!(task.priority(), LOW);
    sender.try_send(()).expect("room");
    diary.task(NORMAL, "normal");
    assert_eq!(run(&event_loop, task).expect("a result"), LOW);
    assert_eq!(diary.read(), ["normal", "set"]);
}

fn task_that_sets_its_own_priority_passes_it_on() {
    let event_loop = attached();
    let own = Rc::new(RefCell::new(None::<JoinHandle<Vec<Priority>>>));
    let handle = Rc::clone(&own);
    let task = spawn_local(async move {
        let mut found = Vec::new();
        for priority in [HIGH, LOW, NORMAL] {
            let set = || {
                handle
                    .borrow()
                    .as_ref()
                    .map(|own| own.set_priority(priority))
            };
            set().expect("it was stored");
            found.push(inherited());
            yield_now().await;
            found.push(inherited());
        }
        found
    });
    own.replace(Some(task));
    settle(&event_loop);
    settle(&event_loop);
    let task = own.take().expect("it was stored");
    let found = run(&event_loop, task).expect("a result");
    assert_eq!(found, [HIGH, HIGH, LOW, LOW, NORMAL, NORMAL]);
}

fn priority_set_by_a_slot_is_that_of_the_task() {
    let event_loop = attached();
    let nested_loop = Rc::new(NestedLoop::new());
    let (leave, own) = (Rc::clone(&nested_loop), Rc::new(RefCell::new(None)));
    let task = at(HIGH, async move {
        let _ = nested_loop.exec();
        let before = inherited();
        yield_now().await;
        [before, inherited()]
    });
    own.replace(Some(task.abort_handle()));
    let found = Rc::new(Cell::new(HIGH));
    let notes = Rc::clone(&found);
    let _timer = qt_timer(Duration::ZERO, move |_| {
        let Some(own) = own.take() else {
            return; // the timer has fired again
        };
        own.set_priority(LOW);
        notes.set(inherited());
        leave.exit(0);
    });
    assert_eq!(run(&event_loop, task).expect("a result"), [LOW; 2]);
    assert_eq!(found.get(), NORMAL, "the slot's own children");
}

fn priority_set_by_an_inner_task_takes_effect_at_the_next_poll() {
    let event_loop = attached();
    let nested_loop = Rc::new(NestedLoop::new());
    let leave = Rc::clone(&nested_loop);
    let outer = at(HIGH, async move {
        let _ = nested_loop.exec();
        let before = inherited();
        yield_now().await;
        [before, inherited()]
    });
    let own = outer.abort_handle();
    let inner = spawn_local(async move {
        own.set_priority(LOW);
        leave.exit(0);
        inherited()
    });
    assert_eq!(run(&event_loop, outer).expect("a result"), [HIGH, LOW]);
    assert_eq!(run(&event_loop, inner).expect("a result"), NORMAL);
}

fn priority_set_by_another_thread_takes_effect_in_order() {
    let event_loop = attached();
    let task = spawn_local(pending::<()>());
    let (own, handle) = (task.abort_handle(), event_loop.handle());
    let thread = thread::spawn(move || {
        own.set_priority(HIGH);
        let seen = own.clone();
        let first = handle.spawn(async move { seen.priority() });
        own.set_priority(LOW);
        let second = handle.spawn(async move { own.priority() });
        (first, second)
    });
    let (first, second) = thread.join().expect("no panic");
    // Both calls were made before the loop has polled, so both have taken effect.
    assert_eq!(task.priority(), NORMAL, "the loop has not polled");
    let found = run(&event_loop, async { (first.await, second.await) });
    assert_eq!(found.0.expect("a result"), LOW);
    assert_eq!(found.1.expect("a result"), LOW);
    assert!(has_priorities(&event_loop));
    task.abort();
    settle(&event_loop);
    assert!(!has_priorities(&event_loop));
}

fn lower_priorities_progress_beside_a_task_that_never_rests() {
    let event_loop = attached();
    event_loop.set_turn_budget(LONG_TURN);
    let chain = |priority| {
        let count = Rc::new(Cell::new(0));
        let counts = Rc::clone(&count);
        let task = at(priority, async move {
            loop {
                counts.set(counts.get() + 1);
                yield_now().await;
            }
        });
        (count, task)
    };
    let (high, high_task) = chain(HIGH);
    let (normal, normal_task) = chain(NORMAL);
    let (low, low_task) = chain(LOW);
    let fired = Rc::new(Cell::new(0));
    let fires = Rc::clone(&fired);
    let _timer = qt_timer(Duration::ZERO, move |count| fires.set(count));
    run(&event_loop, async {
        while fired.get() < 20 {
            yield_now().await; // one poll per turn
        }
    });
    assert!(
        normal.get() >= 10,
        "{} polls of the normal task",
        normal.get()
    );
    assert!(low.get() >= 10, "{} polls of the low task", low.get());
    assert!(
        high.get() > 10 * low.get(),
        "{} polls of the high task",
        high.get()
    );
    [high_task, normal_task, low_task]
        .iter()
        .for_each(JoinHandle::abort);
}

fn debug_of_handles_shows_name_and_priority() {
    let event_loop = attached();
    let name = String::from("valve 7");
    let task = Builder::new()
        .name(&name)
        .priority(HIGH)
        .spawn_local(async {});
    drop(name);
    let shown = format!("{task:?} {:?}", task.abort_handle());
    let expected =
        r#"JoinHandle { task: Task { name: "valve 7", priority: -100, is_finished: false } } "#;
    assert!(shown.starts_with(expected), "{shown}");
    assert!(
        shown.contains("AbortHandle { task: Task { name: \"valve 7\""),
        "{shown}"
    );
    settle(&event_loop);
    assert!(
        format!("{task:?}").contains("is_finished: true"),
        "the name outlives the future"
    );
    let unnamed = format!("{:?}", spawn_local(async {}));
    assert_eq!(
        unnamed,
        "JoinHandle { task: Task { priority: 0, is_finished: false } }"
    );
}

fn priorities_out_of_range_are_refused() {
    assert_eq!(Priority::new(-100), Some(HIGH));
    assert_eq!(Priority::new(100), Some(LOW));
    assert_eq!(Priority::new(-101), None);
    assert_eq!(Priority::new(101), None);
    assert_eq!(Priority::default(), NORMAL);
    assert_eq!(HIGH.get(), -100);
    assert!(HIGH < NORMAL && NORMAL < LOW);
}
