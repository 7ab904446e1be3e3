//! Tasks of QML objects: methods that QML can wait for, properties that tasks set, tasks that end with their object.
//!
//! The objects are those of `qmetaobject`: `#[derive(QObject)]`. A task holds its object as [`This`], and looks at it by a closure,
//! so that no borrow of it lives across an `.await`.
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
//!                 this.with(|kettle| {
//!                     kettle.degrees += 1;
//!                     kettle.warmer();
//!                 })?;
//!             }
//!             Ok::<i32, Box<dyn std::error::Error>>(to)
//!         })
//!     }
//! }
//!
//! let kettle = QObjectBox::new(Kettle::default());
//! let mut engine = QmlEngine::new();
//! let event_loop = Loop::attach()?;
//! engine.set_object_property("kettle".into(), kettle.pinned());
//! engine.load_file("kettle.qml".into());
//! event_loop.exec();
//! # Ok::<(), std::io::Error>(())
//! ```

#![allow(unsafe_code)]

mod argument;
mod promise;

use std::fmt;
use std::io;

use qmetaobject::{QJSValue, QMetaType, QObject, QPointer};

use crate::qt::Object;
use crate::task::{JoinHandle, expect_current, spawn_local};

use promise::Promise;

/// A QML object, as its tasks hold it. It does not keep the object alive.
pub struct This<T: QObject>(QPointer<T>);

impl<T: QObject> This<T> {
    /// As `object`'s own tasks have it; for those of others.
    ///
    /// # Panics
    /// Qt does not know the object yet: `engine.set_object_property()` and `pinned().get_or_create_cpp_object()` introduce it.
    #[track_caller]
    pub fn of(object: &T) -> This<T> {
        known(object);
        This(QPointer::from(object))
    }

    /// Looks at the object, or changes it.
    ///
    /// What `qmetaobject` calls, slots and property accessors, it lends `self` without a check, so this cannot see it, nor can that see this.
    /// Hence three rules. Emit a signal as the last thing in there, and hold no reference into the object over it: whoever hears it may call a
    /// slot that changes the object. Run no Qt loop in there: what destroys the object in that, destroys what is being looked at. And a slot
    /// that waits by [`block_on`](crate::block_on) keeps no reference into `self` meanwhile; one that returns a [`promise`] has no such worry.
    ///
    /// # Errors
    /// [`AccessError::Destroyed`]: the object is gone. [`AccessError::Borrowed`]: this is inside of another `with`.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, AccessError> {
        let pinned = self.0.as_pinned().ok_or(AccessError::Destroyed)?;
        // SAFETY: the C++ object is alive, and of this class.
        let is_free = unsafe {
            let cell = (T::get_object_description().get_rust_refcell)(self.0.cpp_ptr());
            (*cell).try_borrow_mut().is_ok()
        };
        if !is_free {
            return Err(AccessError::Borrowed);
        }
        let mut object = pinned.borrow_mut();
        let result = work(&mut object);
        if self.0.cpp_ptr().is_null() {
            // It was destroyed meanwhile, and there is nothing left to give back.
            std::mem::forget(object);
        }
        Ok(result)
    }

    /// What the rest of this crate does with objects: signals as futures, tasks that end with it. `None` once it is gone.
    #[must_use]
    pub fn object(&self) -> Option<Object> {
        // SAFETY: null or alive; and `This` is not `Send`.
        unsafe { Object::from_raw(self.0.cpp_ptr()) }
    }
}

impl<T: QObject> Clone for This<T> {
    fn clone(&self) -> This<T> {
        This(self.0.clone())
    }
}

impl<T: QObject> fmt::Debug for This<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("This")
            .field(&self.0.cpp_ptr())
            .finish()
    }
}

/// Why [`This::with`] did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// The object is gone.
    Destroyed,
    /// The object is borrowed further out, by another `with` or `borrow_mut()`, that has emitted a signal or runs a Qt loop.
    Borrowed,
}

impl fmt::Display for AccessError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            AccessError::Destroyed => "the object was destroyed",
            AccessError::Borrowed => {
                "the object is in use further out: end that `with()` first, and emit the signal or run the dialog after it"
            }
        })
    }
}

impl std::error::Error for AccessError {}

impl From<AccessError> for io::Error {
    fn from(error: AccessError) -> io::Error {
        let kind = match error {
            AccessError::Destroyed => io::ErrorKind::NotConnected,
            AccessError::Borrowed => io::ErrorKind::ResourceBusy,
        };
        io::Error::new(kind, error)
    }
}

/// Runs a task of an object: when that is destroyed, the task is dropped. It begins with the loop's next batch of jobs.
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
///     going: Option<AbortOnDrop<()>>,
///     start: qt_method!(fn(&mut self)),
///     stop: qt_method!(fn(&mut self)),
/// }
///
/// impl Clock {
///     fn start(&mut self) {
///         let going = qml::spawn(self, async |this| {
///             let mut beat = time::interval(Duration::from_secs(1));
///             let tick = |clock: &mut Clock| {
///                 clock.seconds += 1;
///                 clock.ticked();
///             };
///             while this.with(tick).is_ok() {
///                 beat.tick().await;
///             }
///         });
///         self.going = Some(going.abort_on_drop()); // instead of the one of before
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

/// As [`spawn`], with a JavaScript `Promise` of the result, for a method to return to QML: it is fulfilled with the value, or rejected with an `Error`
/// of the error's words; also if the task panics, is aborted, or ends with its object or its loop. Undefined if no QML engine knows the object.
///
/// A task that somebody is to cancel is made by [`spawn`], and its [`abort_on_drop`](JoinHandle::abort_on_drop) kept in the object.
///
/// The value is of any type that Qt can hand to QML: a number, `bool`, `String`, `QString`, `QByteArray`, `QUrl`, `QDateTime`, `QColor`,
/// `QVariantList`, `QVariantMap`, `QJSValue`, `()`; for one of your own write `impl QMetaType for Mine {}`.
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
