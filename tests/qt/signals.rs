//! Qt's signals as futures and streams.

use std::io;
use std::time::Duration;

use futures_lite::StreamExt;
use qtloop::qt::{Object, Owned};
use qtloop::signal::{self, Destroyed};
use qtloop::spawn_local;
use qtloop::time::{sleep, timeout};

use crate::trials;
use crate::world::attached;

trials![
    a_signal_is_a_future,
    every_emission_is_in_the_stream,
    arguments_are_read_as_what_qt_can_make_of_them,
    a_destroyed_sender_ends_the_wait,
    a_signal_that_is_not_there_is_an_error_that_names_those_that_are,
    an_object_that_is_gone_is_an_error,
    what_is_not_awaited_any_more_is_not_heard,
];

/// A signal that any object has.
const RENAMED: &str = "objectNameChanged";

fn a_signal_is_a_future() {
    let event_loop = attached();
    let object = Owned::new();
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

fn every_emission_is_in_the_stream() {
    let event_loop = attached();
    let object = Owned::new();
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

fn arguments_are_read_as_what_qt_can_make_of_them() {
    let event_loop = attached();
    let object = Owned::new();
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

fn a_destroyed_sender_ends_the_wait() {
    let event_loop = attached();
    let object = Owned::new();
    let renamed = signal::once(&object, RENAMED).expect("a signal");
    spawn_local(async move {
        sleep(Duration::from_millis(1)).await;
        drop(object);
    });
    assert_eq!(
        event_loop.block_on(renamed).expect_err("it is gone"),
        Destroyed
    );
}

fn a_signal_that_is_not_there_is_an_error_that_names_those_that_are() {
    let _event_loop = attached();
    let error = signal::once(&Owned::new(), "clicked").expect_err("no such signal");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "QObject has no signal \"clicked\"; it has destroyed(QObject*), destroyed(), objectNameChanged(QString)"
    );
}

fn an_object_that_is_gone_is_an_error() {
    let object = Owned::new();
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

fn what_is_not_awaited_any_more_is_not_heard() {
    let event_loop = attached();
    let object = Owned::new();
    let renamed = signal::once(&object, RENAMED).expect("a signal");
    assert!(
        event_loop
            .block_on(timeout(Duration::from_millis(1), renamed))
            .is_err()
    );
    object.set_name("unheard");
}
