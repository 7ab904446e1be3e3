//! Tests of properties and methods of objects by name.

use std::io::ErrorKind;

use futures_lite::{StreamExt, future};
use qtloop::qt::{Object, OwnedObject};
use qtloop::{signal, spawn_local, task};

use crate::objects::Owner;
use crate::trials;
use crate::world::{attached, run};

trials![
    property_is_read_and_set_by_its_name,
    property_converts_only_without_loss,
    empty_text_converts_to_bytes_and_not_to_a_number,
    #[cfg(qt5)]
    value_that_is_too_long_for_qt_5_is_an_error,
    missing_property_is_an_error_that_lists_the_nearest_first,
    read_only_property_is_an_error,
    property_of_a_destroyed_object_is_an_error,
    method_is_called_with_the_arguments_that_fit,
    missing_method_is_an_error_that_lists_the_nearest_first,
    method_that_cannot_return_the_type_is_not_called,
    signal_is_emitted_by_its_name,
    object_is_passed_to_a_method,
    destruction_of_an_object_cannot_be_invoked_or_feigned,
    property_stream_begins_with_the_current_value,
    property_stream_skips_to_the_newest_value,
    property_stream_ends_with_its_object,
    property_stream_needs_a_notify_signal_and_a_type_that_fits,
];

fn timer() -> (Owner, Object) {
    let owner = Owner::timer();
    let object = owner.get().expect("an object of this thread");
    (owner, object)
}

fn property_is_read_and_set_by_its_name() {
    let (_owner, timer) = timer();
    assert_eq!(timer.property::<i32>("interval").expect("it has one"), 0);
    timer.set_property("interval", 50).expect("an int");
    timer.set_property("singleShot", true).expect("a bool");
    timer.set_property("objectName", "one").expect("a text");
    assert_eq!(timer.property::<u8>("interval").expect("it has one"), 50);
    assert_eq!(
        timer.property::<String>("interval").expect("it has one"),
        "50"
    );
    assert!(timer.property::<bool>("singleShot").expect("it has one"));
    assert_eq!(
        timer.property::<String>("objectName").expect("it has one"),
        "one"
    );
    // An enumeration: Qt::VeryCoarseTimer.
    timer.set_property("timerType", 2).expect("an enumeration");
    assert_eq!(timer.property::<i32>("timerType").expect("it has one"), 2);
}

fn property_converts_only_without_loss() {
    let (_owner, timer) = timer();
    timer
        .set_property("interval", 300.0)
        .expect("a whole number");
    timer.set_property("interval", "301").expect("a number");
    for error in [
        timer.set_property("interval", 1_i64 << 40),
        timer.set_property("interval", 0.5),
        timer.set_property("interval", "many"),
        timer.set_property("interval", f64::NAN),
        timer.set_property("singleShot", "abc"),
        timer.set_property("singleShot", 2),
    ] {
        assert_eq!(
            error.expect_err("no conversion").kind(),
            ErrorKind::InvalidInput
        );
    }
    assert_eq!(timer.property::<i32>("interval").expect("unchanged"), 301);
    let error = timer.property::<u8>("interval").expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("int"), "{error}");
    assert_eq!(
        timer
            .property::<Option<u8>>("interval")
            .expect("it has one"),
        None
    );
}

fn empty_text_converts_to_bytes_and_not_to_a_number() {
    // The name is a null QString, which Qt 5 converts to nothing.
    let object = OwnedObject::new();
    let bytes = object.property::<Vec<u8>>("objectName");
    assert_eq!(bytes.expect("an empty text"), b"");
    let error = object.property::<i32>("objectName").expect_err("no number");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[cfg(qt5)]
fn value_that_is_too_long_for_qt_5_is_an_error() {
    let object = OwnedObject::new();
    object.set_name("kept");
    let long = vec![0_u8; 1 << 30];
    let error = object
        .set_property("objectName", long.as_slice())
        .expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("1 GiB"), "{error}");
    assert_eq!(object.name(), "kept");
}

fn missing_property_is_an_error_that_lists_the_nearest_first() {
    let (_owner, timer) = timer();
    for error in [
        timer
            .property::<i32>("Intervall")
            .expect_err("no such property"),
        timer
            .set_property("Intervall", 1)
            .expect_err("no such property"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let message = error.to_string();
        assert!(
            message.starts_with("QTimer has no property \"Intervall\"; it has interval, "),
            "{message}"
        );
    }
}

fn read_only_property_is_an_error() {
    let (_owner, timer) = timer();
    let error = timer.set_property("active", true).expect_err("read-only");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

fn property_of_a_destroyed_object_is_an_error() {
    let (owner, timer) = timer();
    drop(owner);
    let errors = [
        timer.property::<i32>("interval").expect_err("destroyed"),
        timer.set_property("interval", 1).expect_err("destroyed"),
        timer.invoke::<()>("stop", ()).expect_err("destroyed"),
        signal::property::<i32>(&timer, "interval").expect_err("destroyed"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    }
}

fn method_is_called_with_the_arguments_that_fit() {
    let event_loop = attached();
    let (_owner, timer) = timer();
    timer.invoke::<()>("start", (1000,)).expect("a slot");
    assert_eq!(timer.property::<i32>("interval").expect("it has one"), 1000);
    assert!(timer.property::<bool>("active").expect("it has one"));
    timer.invoke::<()>("stop()", ()).expect("a slot");
    assert!(!timer.property::<bool>("active").expect("it has one"));
    let error = timer
        .invoke::<()>("start", ("soon",))
        .expect_err("no number");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!timer.property::<bool>("active").expect("it has one"));
    drop(event_loop);
}

fn missing_method_is_an_error_that_lists_the_nearest_first() {
    let (_owner, timer) = timer();
    let error = timer
        .invoke::<()>("Strt", (1,))
        .expect_err("no such method");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let message = error.to_string();
    assert!(
        message.contains("\"Strt\"; it has start(int), start(), "),
        "{message}"
    );
    let error = timer
        .invoke::<()>("start", (1, 2))
        .expect_err("two arguments");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

fn method_that_cannot_return_the_type_is_not_called() {
    let (_owner, timer) = timer();
    let error = timer.invoke::<i32>("start", (1000,)).expect_err("void");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("void"), "{error}");
    assert!(!timer.property::<bool>("active").expect("it has one"));
}

fn signal_is_emitted_by_its_name() {
    let owner = Owner::mapper();
    let mapper = owner.get().expect("an object of this thread");
    let mapped = signal::once(&mapper, "mappedInt").expect("a signal");
    let mapped = mapped.typed::<(i32,)>().expect("an int");
    mapper.invoke::<()>("mappedInt", (7,)).expect("a signal");
    assert_eq!(run(async { Ok(mapped.await?) }), (7,));
}

fn object_is_passed_to_a_method() {
    let owner = Owner::mapper();
    let mapper = owner.get().expect("an object of this thread");
    let mapped = signal::once(&mapper, "mappedObject").expect("a signal");
    let argument = OwnedObject::new();
    mapper
        .invoke::<()>("mappedObject", (&*argument,))
        .expect("a signal");
    let arguments = run(async { Ok(mapped.await?) });
    let object = arguments.get::<Object>(0).expect("it lives");
    assert_eq!(object.as_ptr(), argument.as_ptr());
}

fn destruction_of_an_object_cannot_be_invoked_or_feigned() {
    let object = OwnedObject::new();
    let mut names = signal::stream(&object, "objectNameChanged").expect("a signal");
    for name in ["deleteLater", "destroyed", "destroyed()", "deleteLater()"] {
        let error = object.invoke::<()>(name, ()).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
    let error = object.invoke::<()>("destroyed", (&*object,));
    let error = error.expect_err("a signal of QObject");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    object.set_name("alive");
    assert!(names.try_next().is_some());
}

fn property_stream_begins_with_the_current_value() {
    let object = OwnedObject::new();
    object.set_name("one");
    let mut names = signal::property::<String>(&object, "objectName").expect("a property");
    run(async {
        assert_eq!(names.next().await.as_deref(), Some("one"));
        assert!(future::poll_once(names.next()).await.is_none());
        let waiting = spawn_local(async move { names.next().await });
        task::yield_now().await;
        object.set_name("two");
        assert_eq!(waiting.await?.as_deref(), Some("two"));
        Ok(())
    });
}

fn property_stream_skips_to_the_newest_value() {
    let object = OwnedObject::new();
    let mut names = signal::property::<String>(&object, "objectName").expect("a property");
    run(async {
        for name in ["one", "two", "three"] {
            object.set_name(name);
        }
        assert_eq!(names.next().await.as_deref(), Some("three"));
        assert!(future::poll_once(names.next()).await.is_none());
        Ok(())
    });
}

fn property_stream_ends_with_its_object() {
    let object = OwnedObject::new();
    let mut names = signal::property::<String>(&object, "objectName").expect("a property");
    run(async {
        names.next().await.expect("a name");
        let waiting = spawn_local(async move { names.next().await });
        task::yield_now().await;
        drop(object);
        assert_eq!(waiting.await?, None);
        Ok(())
    });
}

fn property_stream_needs_a_notify_signal_and_a_type_that_fits() {
    let (_owner, timer) = timer();
    let error = signal::property::<i32>(&timer, "interval").expect_err("no NOTIFY");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = signal::property::<i32>(&timer, "objectName").expect_err("a text");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let message = error.to_string();
    assert!(
        message.contains("QString") && message.contains("i32"),
        "{message}"
    );
    let numbers = signal::property::<Option<i32>>(&timer, "objectName").expect("perhaps a number");
    timer.set_name("12");
    let mut numbers = numbers;
    assert_eq!(run(async { Ok(numbers.next().await) }), Some(Some(12)));
}
