//! Tasks of QML objects: methods that QML can await, properties that tasks set, tasks that end with
//! their object.
//!
//! The objects are those of `qmetaobject`: `#[derive(QObject)]`. A task holds its object as
//! [`This`], and borrows it in a closure, so that no borrow lives across an `.await`. [`This`] has
//! the rules.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use qmetaobject::{QJSValue, prelude::*};
//! use qtloop::{Loop, qml, time};
//!
//! #[derive(QObject, Default)]
//! struct Kettle {
//!     base: qt_base_class!(trait QObject),
//!     degrees: qt_property!(i32; NOTIFY warmer),
//!     warmer: qt_signal!(),
//!     heat: qt_method!(fn(&self, to: i32) -> QJSValue),
//! }
//!
//! impl Kettle {
//!     /// In QML: `kettle.heat(100).then(degrees => tea.visible = true, error => label.text = error.message)`.
//!     fn heat(&self, to: i32) -> QJSValue {
//!         qml::promise(self, async move |this| {
//!             if to > 100 {
//!                 return Err("water does not get hotter than 100 degrees".into());
//!             }
//!             while this.with(|kettle| kettle.degrees)? < to {
//!                 time::sleep(Duration::from_millis(20)).await;
//!                 this.with(|kettle| kettle.degrees += 1)?;
//!                 this.emit("warmer", ())?;
//!             }
//!             Ok::<i32, Box<dyn std::error::Error>>(to)
//!         })
//!     }
//! }
//!
//! let kettle = QObjectBox::new(Kettle::default());
//! let mut engine = QmlEngine::new(); // makes the Qt application
//! let event_loop = Loop::attach()?; // before QML is loaded, whose slots may start tasks
//! engine.set_object_property("kettle".into(), kettle.pinned());
//! engine.load_file("kettle.qml".into());
//! event_loop.exec(); // or `event_loop.run(main)`, with a future
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Keep the engine outside of tasks, and drop it after the loop: it owns the Qt application. Local
//! variables in this order are dropped in the right one.

#![allow(unsafe_code)]

mod argument;
mod promise;
mod rows;
mod this;

use std::fmt;

use qmetaobject::{QJSValue, QMetaType, QObject};

use crate::qt::Object;
use crate::task::{JoinHandle, expect_current, spawn_local};

use promise::Promise;
pub use this::{AccessError, This};

/// Runs a task of an object: when the object is destroyed, the task is dropped. The task starts
/// with the loop's next batch of jobs.
///
/// ```no_run
/// use std::time::Duration;
///
/// use qmetaobject::prelude::*;
/// use qtloop::{qml, task::AbortOnDrop, time};
///
/// #[derive(QObject, Default)]
/// struct Clock {
///     base: qt_base_class!(trait QObject),
///     seconds: qt_property!(u32; NOTIFY ticked),
///     ticked: qt_signal!(),
///     going: Option<AbortOnDrop<std::io::Result<()>>>,
///     start: qt_method!(fn(&mut self)),
///     stop: qt_method!(fn(&mut self)),
/// }
///
/// impl Clock {
///     fn start(&mut self) {
///         let going = qml::spawn(self, async |this| -> std::io::Result<()> {
///             let mut beat = time::interval(Duration::from_secs(1));
///             loop {
///                 this.with(|clock| clock.seconds += 1)?;
///                 this.emit("ticked", ())?;
///                 beat.tick().await;
///             }
///         });
///         self.going = Some(going.abort_on_drop()); // drops, and so aborts, the previous one
///     }
///
///     fn stop(&mut self) {
///         self.going = None;
///     }
/// }
/// ```
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop), or Qt does not know the object yet (see [`This::of`]).
#[track_caller]
pub fn spawn<T, R>(object: &T, task: impl AsyncFnOnce(This<T>) -> R + 'static) -> JoinHandle<R>
where
    T: QObject + 'static,
    R: 'static,
{
    let this = This::of(object);
    expect_current("a QML object's task")
        .spawn_scoped(&known(object), async move { task(this).await })
}

/// Runs a task as [`spawn`] does, and returns a JavaScript `Promise` of its result, for a method to
/// return to QML.
///
/// The promise is fulfilled with the value, or rejected with an `Error` that has the error's
/// message; also if the task panics, is aborted, or is dropped with its object or its loop. The
/// result is `undefined` if no QML engine knows the object.
///
/// To cancel a task, make it by [`spawn`], and keep its
/// [`abort_on_drop`](JoinHandle::abort_on_drop) in the object.
///
/// The value is of any type that Qt can pass to QML: a number, `bool`, `String`, `QString`,
/// `QByteArray`, `QUrl`, `QDateTime`, `QColor`, `QVariantList`, `QVariantMap`, `QJSValue`, `()`.
/// For a type of your own write `impl QMetaType for Mine {}`.
///
/// # Panics
/// As `spawn`.
#[track_caller]
pub fn promise<T, R, E>(
    object: &T,
    task: impl AsyncFnOnce(This<T>) -> Result<R, E> + 'static,
) -> QJSValue
where
    T: QObject + 'static,
    R: QMetaType + 'static,
    E: fmt::Display + 'static,
{
    let result = spawn(object, task);
    // SAFETY: `spawn` has seen that the object is there; a `&T` of it is on its thread.
    let Some(promise) = (unsafe { Promise::new(object.get_cpp_object()) }) else {
        return QJSValue::default();
    };
    let value = promise.value();
    spawn_local(async move {
        match result.await {
            Ok(Ok(value)) => promise.resolve(value.to_qvariant()),
            Ok(Err(error)) => promise.reject(&error.to_string()),
            Err(error) => promise.reject(&error.to_string()),
        }
    });
    value
}

/// The object as Qt knows it.
#[track_caller]
fn known<T: QObject>(object: &T) -> Object {
    // SAFETY: null, or alive as long as the `&T`; objects of `qmetaobject` are not `Send`.
    match unsafe { Object::from_raw(object.get_cpp_object()) } {
        Some(object) => object,
        None => panic!(
            "Qt does not know this object yet: hand it to QML, or call `pinned().get_or_create_cpp_object()` first"
        ),
    }
}
