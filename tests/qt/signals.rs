//! Tests of Qt's signals as futures and streams.

use std::io;
use std::time::Duration;

use futures_lite::StreamExt;
use qtloop::qt::{Object, OwnedObject};
use qtloop::signal;
use qtloop::spawn_local;
use qtloop::time::{sleep, timeout};

use crate::objects::Owner;
use crate::trials;
use crate::world::attached;

trials![
    signal_is_awaited,
    stream_yields_every_emission,
    arguments_are_converted_as_qt_does,
    destroyed_sender_ends_the_wait,
    missing_signal_is_an_error_that_lists_the_signals,
    error_of_a_wrong_name_lists_the_nearest_first,
    typed_signal_yields_a_tuple,
    enumeration_is_read_as_an_integer,
    enumeration_of_the_namespace_qt_is_passed_as_an_integer,
    type_that_does_not_fit_is_an_error_when_it_is_connected,
    latest_keeps_the_newest_emission,
    bounded_stream_drops_the_oldest_and_counts,
    waiting_emissions_are_counted_fetched_and_cleared,
    once_keeps_the_first_emission_only,
    task_that_answers_each_emission_with_another_lets_timers_run,
    text_is_a_bool_only_if_it_is_true_or_false,
    signal_of_a_destroyed_object_is_an_error,
    dropped_signal_future_is_disconnected,
];

/// A signal that any object has.
const RENAMED: &str = "objectNameChanged";

fn signal_is_awaited() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let renamed = signal::once(&object, RENAMED).expect("a signal");
    let application = Object::application().expect("the main thread");
    let other = signal::once(&application, "objectNameChanged(QString)").expect("a signal");
    let task = spawn_local(async move {
        sleep(Duration::from_millis(1)).await;
        object.set_name("one");
        object.set_name("two");
        application.set_name("other");
        object.name()
    });
    let arguments = event_loop.block_on(renamed).expect("a name");
    assert_eq!(arguments.get::<String>(0).as_deref(), Some("one"));
    let arguments = event_loop.block_on(other).expect("a name");
    assert_eq!(arguments.get::<String>(0).as_deref(), Some("other"));
    assert_eq!(event_loop.block_on(task).expect("a result"), "two");
}

fn stream_yields_every_emission() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let names = signal::stream(&object, RENAMED).expect("a signal");
    for number in 0..5 {
        object.set_name(&number.to_string());
    }
    let names = names.map(|arguments| arguments.get::<i32>(0).expect("a number"));
    let task = spawn_local(names.collect::<Vec<_>>());
    event_loop.block_on(sleep(Duration::from_millis(1)));
    object.set_name("5");
    drop(object);
    assert_eq!(
        event_loop.block_on(task).expect("a result"),
        [0, 1, 2, 3, 4, 5]
    );
}

fn arguments_are_converted_as_qt_does() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let renamed = signal::once(&object, RENAMED).expect("a signal");
    object.set_name("12");
    let arguments = event_loop.block_on(renamed).expect("a name");
    assert_eq!((arguments.len(), arguments.is_empty()), (1, false));
    assert_eq!(arguments.get::<i64>(0), Some(12));
    assert_eq!(arguments.get::<f64>(0), Some(12.0));
    assert_eq!(arguments.get::<String>(0).as_deref(), Some("12"));
    assert!(arguments.get::<Object>(0).is_none());
    assert_eq!(arguments.get::<i64>(1), None);
    assert_eq!(format!("{arguments:?}"), "[Some(\"12\")]");
    let destroyed = signal::once(&object, "destroyed(QObject*)").expect("a signal");
    let ends = event_loop.block_on(async {
        drop(object);
        destroyed.await
    });
    assert_eq!(ends.expect("the object's last words").len(), 1);
}

fn destroyed_sender_ends_the_wait() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let renamed = signal::once(&object, RENAMED).expect("a signal");
    spawn_local(async move {
        sleep(Duration::from_millis(1)).await;
        drop(object);
    });
    let error = event_loop.block_on(renamed).expect_err("it is gone");
    assert_eq!(error.to_string(), "the object was destroyed");
}

fn missing_signal_is_an_error_that_lists_the_signals() {
    let _event_loop = attached();
    let error = signal::once(&OwnedObject::new(), "clicked").expect_err("no such signal");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "QObject has no signal \"clicked\"; it has destroyed(QObject*), destroyed(), objectNameChanged(QString)"
    );
}

fn signal_of_a_destroyed_object_is_an_error() {
    let object = OwnedObject::new();
    let kept = (*object).clone();
    assert!(kept.is_alive());
    assert_eq!(kept.class_name(), "QObject");
    drop(object);
    assert!(!kept.is_alive());
    assert_eq!(
        (kept.class_name(), kept.name()),
        (String::new(), String::new())
    );
    let error = signal::once(&kept, RENAMED).expect_err("it is gone");
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}

fn dropped_signal_future_is_disconnected() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let renamed = signal::once(&object, RENAMED).expect("a signal");
    assert!(
        event_loop
            .block_on(timeout(Duration::from_millis(1), renamed))
            .is_err()
    );
    object.set_name("unheard");
}

fn error_of_a_wrong_name_lists_the_nearest_first() {
    let error = signal::once(&OwnedObject::new(), "objectNameChange").expect_err("no such signal");
    let message = error.to_string();
    assert!(
        message.ends_with("it has objectNameChanged(QString), destroyed(QObject*), destroyed()"),
        "{message}"
    );
}

fn typed_signal_yields_a_tuple() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let mut names = signal::stream(&object, RENAMED)
        .and_then(|names| names.typed::<(String,)>())
        .expect("a text");
    let first = signal::once(&object, RENAMED)
        .and_then(|first| first.typed::<()>())
        .expect("no arguments are asked for");
    let number = signal::once(&object, RENAMED)
        .and_then(|number| number.typed::<(Option<i32>,)>())
        .expect("perhaps a number");
    object.set_name("12");
    assert_eq!(event_loop.block_on(names.next()), Some(("12".to_owned(),)));
    event_loop.block_on(first).expect("an emission");
    assert_eq!(
        event_loop.block_on(number).expect("an emission"),
        (Some(12),)
    );
}

fn enumeration_is_read_as_an_integer() {
    let event_loop = attached();
    let owner = Owner::pause();
    let pause = owner.get().expect("an object of this thread");
    let states = signal::stream(&pause, "stateChanged").expect("a signal");
    let mut states = states.typed::<(i32, i64)>().expect("two enumerations");
    pause.set_property("duration", 1000).expect("an int");
    pause.invoke::<()>("start", ()).expect("a slot");
    // QAbstractAnimation::Running, and before it Stopped.
    assert_eq!(event_loop.block_on(states.next()), Some((2, 0)));
    assert_eq!(pause.property::<i32>("state").expect("it has one"), 2);
}

fn enumeration_of_the_namespace_qt_is_passed_as_an_integer() {
    let event_loop = attached();
    let owner = Owner::model();
    let model = owner.get().expect("an object of this thread");
    let headers = signal::stream(&model, "headerDataChanged").expect("a signal");
    let mut headers = headers
        .typed::<(i32, i32, i32)>()
        .expect("an enumeration and two numbers");
    // Qt::Vertical.
    model
        .invoke::<()>("headerDataChanged", (2, 3, 4))
        .expect("a signal");
    assert_eq!(event_loop.block_on(headers.next()), Some((2, 3, 4)));
}

fn type_that_does_not_fit_is_an_error_when_it_is_connected() {
    let object = OwnedObject::new();
    let renamed = || signal::stream(&object, RENAMED).expect("a signal");
    let errors = [
        renamed()
            .typed::<(i32,)>()
            .expect_err("a text is not always a number"),
        renamed()
            .typed::<(Object,)>()
            .expect_err("a text is no object"),
        renamed()
            .typed::<(Option<Object>,)>()
            .expect_err("a text is no object"),
        renamed()
            .typed::<(String, i32)>()
            .expect_err("there is one argument"),
    ];
    let messages = errors.map(|error| {
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        error.to_string()
    });
    assert_eq!(
        messages,
        [
            "argument 0 of objectNameChanged is QString, and not every QString fits i32: read it as Option<i32>",
            "argument 0 of objectNameChanged is QString, which cannot be read as Object",
            "argument 0 of objectNameChanged is QString, which cannot be read as Object",
            "objectNameChanged has no argument 1, counted from 0: there are 1",
        ]
    );
}

fn latest_keeps_the_newest_emission() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let mut names = signal::latest(&object, RENAMED).expect("a signal");
    for number in 0..1000 {
        object.set_name(&number.to_string());
    }
    assert_eq!(names.len(), 1);
    let newest = event_loop.block_on(names.next()).expect("an emission");
    assert_eq!(newest.get::<i32>(0), Some(999));
    assert_eq!((names.lagged(), names.lagged()), (999, 0));
    drop(object);
    assert!(event_loop.block_on(names.next()).is_none());
}

fn bounded_stream_drops_the_oldest_and_counts() {
    let object = OwnedObject::new();
    let names = signal::stream(&object, RENAMED).expect("a signal");
    let rename = |numbers: std::ops::Range<i32>| {
        numbers.for_each(|number| object.set_name(&number.to_string()));
    };
    rename(0..5);
    let mut names = names.bounded(3);
    assert_eq!((names.len(), names.lagged()), (3, 2));
    rename(5..7);
    assert_eq!(names.lagged(), 2);
    let numbers = std::iter::from_fn(|| names.try_next()).map(|name| name.get(0));
    assert_eq!(numbers.collect::<Vec<_>>(), [Some(4), Some(5), Some(6)]);
    rename(7..8);
    assert_eq!((names.len(), names.lagged()), (1, 0));
}

fn waiting_emissions_are_counted_fetched_and_cleared() {
    let object = OwnedObject::new();
    let mut names = signal::stream(&object, RENAMED).expect("a signal");
    assert!(names.is_empty());
    assert!(names.try_next().is_none());
    object.set_name("one");
    object.set_name("two");
    assert_eq!(names.len(), 2);
    let first = names.try_next().expect("an emission");
    assert_eq!(first.get::<String>(0).as_deref(), Some("one"));
    names.clear();
    assert!(names.is_empty());
    assert_eq!(names.lagged(), 0);
}

fn once_keeps_the_first_emission_only() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let renamed = signal::once(&object, RENAMED).expect("a signal");
    for number in 0..1000 {
        object.set_name(&number.to_string());
    }
    assert!(format!("{renamed:?}").contains("len: 1"), "{renamed:?}");
    drop(object);
    let first = event_loop.block_on(renamed).expect("an emission");
    assert_eq!(first.get::<i32>(0), Some(0));
}

fn task_that_answers_each_emission_with_another_lets_timers_run() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let mut names = signal::stream(&object, RENAMED).expect("a signal");
    object.set_name("0");
    let answering = spawn_local(async move {
        let mut number = 0_u64;
        while names.next().await.is_some() {
            number += 1;
            object.set_name(&number.to_string());
        }
    });
    let answering = answering.abort_on_drop();
    event_loop.block_on(sleep(Duration::from_millis(5)));
    drop(answering);
}

fn text_is_a_bool_only_if_it_is_true_or_false() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let mut names = signal::stream(&object, RENAMED).expect("a signal");
    let mut read = |name: &str| {
        object.set_name(name);
        event_loop.block_on(names.next()).expect("an emission")
    };
    assert_eq!(read("abc").get::<bool>(0), None);
    assert_eq!(read("true").get::<bool>(0), Some(true));
    assert_eq!(read("false").get::<bool>(0), Some(false));
    assert_eq!(read("1").get::<bool>(0), None);
    let number = read("300");
    assert_eq!(number.get::<u8>(0), None);
    assert_eq!(number.get::<u16>(0), Some(300));
    assert_eq!(number.get::<usize>(0), Some(300));
    assert_eq!(number.get::<f32>(0), Some(300.0));
    assert_eq!(number.get::<Vec<u8>>(0).as_deref(), Some(&b"300"[..]));
    assert_eq!(number.get::<char>(0), None);
    assert_eq!(number.get::<Option<u8>>(0), Some(None));
    assert_eq!(number.get::<usize>(1), None);
    let negative = read("-1");
    assert_eq!(negative.get::<u64>(0), None);
    assert_eq!(negative.get::<i8>(0), Some(-1));
    assert_eq!(read("012").get::<i32>(0), None);
    assert_eq!(read("ä").get::<char>(0), Some('ä'));
    assert_eq!(read("😀").get::<char>(0), Some('😀'));
}
