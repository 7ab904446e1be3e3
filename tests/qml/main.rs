//! Tests of tasks of QML objects, with a QML engine on the main thread, which Qt needs.

// The derive macro of `QObject` generates code that these lints refuse.
#![allow(clippy::useless_transmute)]

mod access;
mod engines;
mod rows;
mod values;
mod windows;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::StreamExt;
use libtest_mimic::Arguments;
use qmetaobject::{QJSValue, QMetaType, QVariantList, prelude::*};
use qtloop::qml::{self, AccessError, This};
use qtloop::{Loop, signal, task, time};

/// The tests of a module, each named as its function.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        vec![$(libtest_mimic::Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}
pub(crate) use trials;

/// The object that QML and the tasks use.
#[derive(QObject, Default)]
struct Probe {
    base: qt_base_class!(trait QObject),
    /// The number of times that `doubled` has returned an answer.
    answers: Rc<Cell<i32>>,
    number: qt_property!(i32; NOTIFY changed),
    changed: qt_signal!(),
    said: qt_signal!(text: QString),
    listed: qt_signal!(list: QVariantList),
    say: qt_method!(
        fn say(&self, text: QString) {
            self.said(text);
        }
    ),
    doubled: qt_method!(
        fn doubled(&self, number: i32) -> QJSValue {
            let answers = Rc::clone(&self.answers);
            qml::promise(self, async move |_| {
                task::yield_now().await;
                answers.set(answers.get() + 1);
                if number < 0 {
                    return Err("it must not be negative");
                }
                assert!(number < 100, "it is too large");
                Ok(number * 2)
            })
        }
    ),
    counts: qt_method!(
        fn counts(&self, to: i32) -> QJSValue {
            qml::promise(self, async move |this: This<Probe>| {
                while this.with(|probe| probe.number)? < to {
                    task::yield_now().await;
                    this.with(|probe| probe.number += 1)?;
                    this.emit("changed", ())?;
                }
                Ok::<_, std::io::Error>(())
            })
        }
    ),
    waits: qt_method!(
        fn waits(&self) -> QJSValue {
            qml::promise(self, async |_| pending::<Result<i32, String>>().await)
        }
    ),
    blocks: qt_method!(
        fn blocks(&self) -> i32 {
            task::block_on(async {
                while self.answers.get() == 0 {
                    task::yield_now().await;
                }
            });
            self.answers.get()
        }
    ),
}

/// The object, owned by Rust, an engine that knows it as `probe`, and a loop.
struct World {
    event_loop: Loop,
    engine: QmlEngine,
    probe: QObjectBox<Probe>,
}

impl World {
    fn new() -> World {
        let probe = QObjectBox::new(Probe::default());
        let mut engine = QmlEngine::new();
        engine.set_object_property("probe".into(), probe.pinned());
        World {
            event_loop: Loop::attach().expect("a loop"),
            engine,
            probe,
        }
    }

    fn this(&self) -> This<Probe> {
        This::of(self.probe.pinned().borrow())
    }

    /// Loads QML source, and waits until it has called `probe.say()` this number of times.
    fn hear(&mut self, count: usize, qml: &str) -> Vec<String> {
        let object = self.this().object().expect("it lives");
        let said = signal::stream(&object, "said").expect("a signal");
        let text = format!("import QtQuick 2.15; Item {{ {qml} }}");
        self.engine.load_data(text.as_str().into());
        let all = said.take(count).map(|said| said.get(0).expect("a text"));
        self.event_loop
            .block_on(time::timeout(Duration::from_secs(20), all.collect()))
            .expect("QML says it")
    }
}

fn promise_resolves_with_the_value() {
    let said = World::new().hear(
        1,
        "Component.onCompleted: probe.doubled(21).then(value => probe.say('got ' + value))",
    );
    assert_eq!(said, ["got 42"]);
}

fn error_rejects_the_promise_with_its_message() {
    let said = World::new().hear(
        1,
        "Component.onCompleted: probe.doubled(-1).then(value => probe.say('no'),
            error => probe.say((error instanceof Error) + ' ' + error.message))",
    );
    assert_eq!(said, ["true it must not be negative"]);
}

fn panic_rejects_the_promise_and_the_loop_continues() {
    let said = World::new().hear(
        2,
        "Component.onCompleted: probe.doubled(100).catch(error => {
            probe.say(error.message); return probe.doubled(1) }).then(value => probe.say(value))",
    );
    assert_eq!(said, ["the task panicked: it is too large", "2"]);
}

fn many_promises_are_pending_at_once() {
    let said = World::new().hear(
        1,
        "Component.onCompleted: Promise.all([...Array(50).keys()].map(n => probe.doubled(n)))
            .then(all => probe.say(all.reduce((sum, n) => sum + n)))",
    );
    assert_eq!(said, ["2450"]);
}

fn property_set_by_a_task_updates_its_bindings() {
    let mut world = World::new();
    let said = world.hear(
        4,
        "property int twice: probe.number * 2; onTwiceChanged: probe.say(twice)
         Component.onCompleted: probe.counts(3).then(() => probe.say('done'))",
    );
    assert_eq!(said, ["2", "4", "6", "done"]);
    assert_eq!(world.this().with(|probe| probe.number), Ok(3));
}

fn promises_are_resolved_while_a_slot_waits() {
    let said = World::new().hear(
        1,
        "Component.onCompleted: { probe.doubled(1); probe.say(probe.blocks() + ' answered') }",
    );
    assert_eq!(said, ["1 answered"]);
}

fn task_is_aborted_when_its_object_is_destroyed() {
    struct Tell(Rc<Cell<bool>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let world = World::new();
    let other = QObjectBox::new(Probe::default());
    other.pinned().get_or_create_cpp_object();
    let is_over = Rc::new(Cell::new(false));
    let tell = Tell(Rc::clone(&is_over));
    let task = qml::spawn(other.pinned().borrow(), async move |_| {
        let _tell = tell;
        pending::<()>().await;
    });
    world.event_loop.block_on(task::yield_now());
    assert!(!is_over.get());
    drop(other);
    let result = world.event_loop.block_on(task);
    assert!(matches!(result, Err(error) if error.is_cancelled()));
    assert!(is_over.get());
}

fn promise_of_a_destroyed_object_is_rejected() {
    let mut world = World::new();
    let owner = QObjectBox::new(Probe::default());
    world
        .engine
        .set_object_property("other".into(), owner.pinned());
    let end = Rc::new(RefCell::new(Some(owner)));
    let ending = Rc::clone(&end);
    task::spawn_local(async move {
        task::yield_now().await;
        drop(ending.take());
    });
    let said = world.hear(
        1,
        "Component.onCompleted: other.waits().catch(error => probe.say(error.message))",
    );
    assert_eq!(
        said,
        [
            "the task was cancelled: it was aborted, or its object was destroyed, or its loop was closed"
        ]
    );
    assert!(end.borrow().is_none());
}

fn promise_of_a_dropped_loop_is_rejected() {
    let mut world = World::new();
    world.hear(
        1,
        "Component.onCompleted: { probe.waits().catch(error => probe.say(error.message)); probe.say('begun') }",
    );
    let object = world.this().object().expect("it lives");
    let said = signal::once(&object, "said").expect("a signal");
    drop(world.event_loop);
    let next = Loop::attach().expect("a loop");
    let limited = time::timeout(Duration::from_secs(20), said);
    let said = next.block_on(limited).expect("QML says it");
    let text: String = said.expect("it lives").get(0).expect("a text");
    assert!(text.contains("its loop was closed"), "{text}");
}

fn list_argument_of_a_signal_is_read() {
    let world = World::new();
    let object = world.this().object().expect("it lives");
    let listed = signal::once(&object, "listed").expect("a signal");
    let probe = world.this();
    let list: QVariantList = [1, 2, 3].into_iter().collect();
    probe.with(|probe| probe.listed(list)).expect("it lives");
    let arguments = world.event_loop.block_on(listed).expect("it lives");
    let value: QVariant = arguments.get(0).expect("a list");
    let list = QVariantList::from_qvariant(value).expect("a list");
    assert_eq!(list.len(), 3);
    assert!(arguments.get::<QVariant>(1).is_none());
}

fn engine_dropped_before_its_promises_leaves_the_loop_intact() {
    let mut world = World::new();
    world.hear(
        1,
        "Component.onCompleted: { probe.waits(); probe.counts(1000); probe.say('begun') }",
    );
    // The application is destroyed with the engine. The loop must close cleanly without it.
    let World {
        event_loop,
        engine,
        probe,
    } = world;
    drop(engine);
    drop(probe);
    drop(event_loop);
}

fn destroyed_object_is_an_error() {
    let world = World::new();
    let other = QObjectBox::new(Probe::default());
    other.pinned().get_or_create_cpp_object();
    let this = This::of(other.pinned().borrow());
    assert_eq!(this.with(|probe| probe.number), Ok(0));
    drop(other);
    assert_eq!(this.with(|probe| probe.number), Err(AccessError::Destroyed));
    assert!(this.object().is_none());
    drop(world);
}

fn nested_borrow_of_an_object_is_an_error() {
    let world = World::new();
    let this = world.this();
    let again = this.clone();
    let inner = this.with(|_| again.with(|probe| probe.number));
    assert_eq!(inner, Ok(Err(AccessError::Borrowed)));
    assert_eq!(this.with(|probe| probe.number), Ok(0));
}

fn promise_without_an_engine_is_undefined_and_its_task_runs() {
    let world = World::new();
    let other = QObjectBox::new(Probe::default());
    other.pinned().get_or_create_cpp_object();
    let has_run = Rc::new(Cell::new(false));
    let runs = Rc::clone(&has_run);
    let promise = qml::promise(other.pinned().borrow(), async move |_| {
        runs.set(true);
        Ok::<i32, String>(1)
    });
    assert!(!promise.is_string() && !promise.is_number() && !promise.is_bool());
    world.event_loop.block_on(async {
        while !has_run.get() {
            task::yield_now().await;
        }
    });
}

fn object_without_a_qobject_is_refused_with_a_message() {
    let _world = World::new();
    let other = QObjectBox::new(Probe::default());
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        This::of(other.pinned().borrow());
    }));
    let panic = result.expect_err("it is not known");
    let words = panic.downcast_ref::<&str>().expect("words");
    assert!(words.contains("get_or_create_cpp_object"), "{words}");
}

fn quit_exits_the_exec_of_the_engine() {
    let world = World::new();
    task::spawn_local(async {
        time::sleep(Duration::from_millis(5)).await;
        qtloop::quit(0);
    });
    world.engine.exec();
}

fn main() -> ExitCode {
    // Print QML's warnings to standard error, and not to the system's journal.
    for (name, value) in [
        ("QT_QPA_PLATFORM", "offscreen"),
        ("QT_FORCE_STDERR_LOGGING", "1"),
    ] {
        if std::env::var_os(name).is_none() {
            // SAFETY: no other thread runs yet.
            #[allow(unsafe_code)]
            unsafe {
                std::env::set_var(name, value);
            }
        }
    }
    if let Some(name) = std::env::var_os(access::CHILD) {
        let name = name.to_string_lossy();
        if name.starts_with("engine ") {
            engines::child(&name);
        } else {
            access::child(&name);
        }
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let promises = trials![
        promise_resolves_with_the_value,
        error_rejects_the_promise_with_its_message,
        panic_rejects_the_promise_and_the_loop_continues,
        many_promises_are_pending_at_once,
        property_set_by_a_task_updates_its_bindings,
        promises_are_resolved_while_a_slot_waits,
        task_is_aborted_when_its_object_is_destroyed,
        promise_of_a_destroyed_object_is_rejected,
        promise_of_a_dropped_loop_is_rejected,
        list_argument_of_a_signal_is_read,
        engine_dropped_before_its_promises_leaves_the_loop_intact,
        destroyed_object_is_an_error,
        nested_borrow_of_an_object_is_an_error,
        promise_without_an_engine_is_undefined_and_its_task_runs,
        object_without_a_qobject_is_refused_with_a_message,
        quit_exits_the_exec_of_the_engine,
    ];
    let trials = [
        promises,
        access::tests(),
        engines::tests(),
        rows::tests(),
        values::tests(),
        windows::tests(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}
